"""Values that are seen everywhere, and so would only raise false alarms.

A needle on one of these lists is not armed but reported with the list's name; who wants it none
the less overrides the list by name, for all needles or for one. Kept small on purpose, and the
same for every side: well-known services of many countries.

Spec: design/find.md §1.1, step 2.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from ipaddress import ip_address, ip_network


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NETWORKS: dict[str, tuple[str, ...]] = {
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"),
    "loopback": ("127.0.0.0/8", "::1/128"),
    "link-local": ("169.254.0.0/16", "fe80::/10"),
    "multicast": ("224.0.0.0/4", "ff00::/8"),
    "reserved": ("0.0.0.0/8", "192.0.0.0/24", "240.0.0.0/4", "::/128", "100::/64"),
    "documentation": (
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "198.18.0.0/15",
        "2001:db8::/32",
        "3fff::/20",
    ),
    "public-resolvers": _words(
        "1.0.0.1/32 1.1.1.1/32 4.2.2.1/32 4.2.2.2/32 8.8.4.4/32 8.8.8.8/32 9.9.9.9/32 9.9.9.10/32"
        " 45.90.28.0/24 45.90.30.0/24 64.6.64.6/32 64.6.65.6/32 76.76.2.0/32 76.76.10.0/32"
        " 77.88.8.1/32 77.88.8.8/32 80.80.80.80/32 80.80.81.81/32 84.200.69.80/32 94.140.14.14/32"
        " 94.140.15.15/32 101.101.101.101/32 114.114.114.114/32 114.114.115.115/32"
        " 119.29.29.29/32 149.112.112.112/32 168.95.1.1/32 180.76.76.76/32 182.254.116.116/32"
        " 185.222.222.222/32 185.228.168.9/32 193.110.81.0/32 195.46.39.39/32 208.67.220.220/32"
        " 208.67.222.222/32 223.5.5.5/32 223.6.6.6/32 2001:4860:4860::8844/128"
        " 2001:4860:4860::8888/128 2400:3200::1/128 2606:4700:4700::1001/128"
        " 2606:4700:4700::1111/128 2620:119:35::35/128 2620:fe::9/128 2620:fe::fe/128"
        " 2a02:6b8::feed:ff/128"
    ),
    "cdn-ranges": _words(
        "23.235.32.0/20 43.249.72.0/22 103.21.244.0/22 103.22.200.0/22 103.31.4.0/22"
        " 103.244.50.0/24 103.245.222.0/23 103.245.224.0/24 104.16.0.0/13 104.24.0.0/14"
        " 104.156.80.0/20 108.162.192.0/18 131.0.72.0/22 140.248.64.0/18 140.248.128.0/17"
        " 141.101.64.0/18 146.75.0.0/17 151.101.0.0/16 157.52.64.0/18 162.158.0.0/15"
        " 167.82.0.0/17 172.64.0.0/13 172.111.64.0/18 173.245.48.0/20 185.31.16.0/22"
        " 188.114.96.0/20 190.93.240.0/20 197.234.240.0/22 198.41.128.0/17 199.27.72.0/21"
        " 199.232.0.0/16 2400:cb00::/32 2606:4700::/32 2803:f800::/32 2a04:4e40::/32"
        " 2a06:98c0::/29 2c0f:f248::/32"
    ),
}
NAMES: dict[str, frozenset[str]] = {
    "documentation": frozenset(("example.com", "example.net", "example.org")),
    "loopback": frozenset(("localhost", "localhost.localdomain")),
    "public-resolvers": frozenset(
        _words("dns.google one.one.one.one dns.quad9.net dns.alidns.com dns.yandex.ru doh.pub")
    ),
    "top-domains": frozenset(
        _words(
            "163.com 360.cn adobe.com akamai.net akamaiedge.net alibaba.com aliyun.com amazon.com"
            " amazonaws.com android.com apple.com archive.org azure.com azureedge.net"
            " b-cdn.net baidu.com bbc.co.uk bing.com bit.ly bitbucket.org box.com chatgpt.com"
            " cloudflare.com cloudfront.net debian.org digicert.com discord.com docker.com"
            " doubleclick.net dropbox.com duckduckgo.com ebay.com edgekey.net edgesuite.net"
            " facebook.com fastly.net fedoraproject.org flickr.com fbcdn.net gitee.com github.com"
            " githubusercontent.com gitlab.com globalsign.com gmail.com gnu.org godaddy.com"
            " google-analytics.com google.com googleapis.com googletagmanager.com"
            " googleusercontent.com googlevideo.com gstatic.com hotmail.com huawei.com ibm.com"
            " icloud.com imgur.com instagram.com intel.com jd.com kernel.org letsencrypt.org"
            " lencr.org linkedin.com live.com mail.ru medium.com microsoft.com"
            " microsoftonline.com mozilla.com mozilla.org msftconnecttest.com msn.com naver.com"
            " netflix.com nginx.org npmjs.org ntp.org office.com office365.com openai.com"
            " oracle.com outlook.com pastebin.com paypal.com pinterest.com pypi.org python.org"
            " qq.com rakuten.co.jp reddit.com redhat.com rutube.ru salesforce.com samsung.com"
            " sectigo.com sharepoint.com shopify.com sina.com.cn skype.com slack.com sohu.com"
            " sourceforge.net spotify.com stackoverflow.com steampowered.com t.co t.me"
            " taobao.com telegram.org tencent.com tiktok.com tmall.com twitch.tv twitter.com"
            " ubuntu.com usertrust.com verisign.com vimeo.com virustotal.com vk.com w3.org"
            " wechat.com weibo.com weixin.qq.com whatsapp.com wikimedia.org wikipedia.org"
            " windows.com windows.net windowsupdate.com wordpress.com x.com xiaomi.com yahoo.co.jp"
            " yahoo.com yandex.ru youtu.be youtube.com zoom.us"
        )
    ),
}
HASHES: dict[str, frozenset[str]] = {
    "empty-file": frozenset(
        (
            "d41d8cd98f00b204e9800998ecf8427e",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
            "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
        )
    )
}
TOO_WIDE = "too-wide"
WIDEST = {4: 8, 6: 16}
"""Shortest prefix length that is swept for; a wider one names half the world."""
LISTS: tuple[str, ...] = tuple(sorted({*NETWORKS, *NAMES, *HASHES, TOO_WIDE}))


@lru_cache(maxsize=1)
def _intervals() -> dict[int, tuple[list[int], list[tuple[int, str]]]]:
    found: dict[int, list[tuple[int, int, str]]] = {4: [], 6: []}
    for name, networks in NETWORKS.items():
        for text in networks:
            network = ip_network(text)
            low, high = int(network.network_address), int(network.broadcast_address)
            found[network.version].append((low, high, name))
    out = {}
    for version, rows in found.items():
        rows.sort()
        out[version] = ([low for low, _, _ in rows], [(high, name) for _, high, name in rows])
    return out


def listed(kind: str, value: str) -> str | None:
    """The list that a normal-form value stands on, or None.

    A prefix stands on a list if all of it does. Of the URLs only those without a path do: a path
    on a well-known host is somebody's own.
    """
    if kind in ("ipv4", "ipv6", "cidr"):
        return _listed_network(value)
    if kind == "domain":
        return next((name for name, names in NAMES.items() if value in names), None)
    if kind == "url":
        scheme, _, rest = value.partition("://")
        host, _, path = rest.partition("/")
        if path or not scheme:
            return None
        if host.replace(".", "").isdigit() or host.startswith("["):
            return _listed_network(host.strip("[]"))
        return listed("domain", host)
    return next((name for name, hashes in HASHES.items() if value in hashes), None)


def _listed_network(value: str) -> str | None:
    if "/" in value:
        network = ip_network(value)
        if network.prefixlen < WIDEST[network.version]:
            return TOO_WIDE
        version, low = network.version, int(network.network_address)
        high = int(network.broadcast_address)
    else:
        address = ip_address(value)
        version, low, high = address.version, int(address), int(address)
    lows, rows = _intervals()[version]
    place = bisect_right(lows, low) - 1
    # Lists may nest (documentation inside a wider one): look back a little, never far.
    for back in range(place, max(place - 4, -1), -1):
        if high <= rows[back][0]:
            return rows[back][1]
    return None
