"""Words on a terminal: arguments in, text, hints and the one table of exit codes out.

Exit codes, the same for every verb: 0 done; 1 failed or done in part; 2 wrong use or unreadable
file; 3 verification failed; 4 not reachable; 5 only with `sweep --exit-hits`: there are hits.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from tocsin import __version__, errors

EXIT_CODES: tuple[tuple[type[errors.TocsinError], int], ...] = (
    (errors.UsageError, 2),
    (errors.BundleError, 2),
    (errors.ReportError, 2),
    (errors.DossierError, 2),
    (errors.VerificationError, 3),
    (errors.UnreachableError, 4),
    (errors.TocsinError, 1),
)
"""First class that fits gives the code. The only such table."""

# verb -> (module, one line of help). Modules are imported when their verb is called, so that
# `tocsin --help` stays quick.
VERBS: dict[str, tuple[str, str]] = {
    "up": ("node", "Run the node; where there is none yet, the exercise."),
    "init": ("node", "Make a party's keys, log, directory and tocsin.toml."),
    "ingest": ("ingest", "Read a report or a STIX bundle: drafts, and a list of what was lost."),
    "accept": ("accept", "List drafts; accept, edit or reject them."),
    "claims": ("claims", "Who says what, and how it stands."),
    "standing": ("claims", "How a claim stands, link by link, with every reason."),
    "answer": ("answering", "Deny, rebut, ask for grounds: your words beside a claim."),
    "evidence": ("answering", "Give grounds for a claim, or commit now and show them later."),
    "norms": ("answering", "UN norms a claim can invoke; lists of critical infrastructure."),
    "names": ("relate", "Who is called by a name, and who says so; none is chosen."),
    "overlap": ("relate", "Tools and techniques that an incident shares with groups."),
    "say": ("record", "Publish STIX objects in your party's name."),
    "open": ("sealed", "List what is sealed for you; open one with this folder's key."),
    "withdraw": ("record", "Take back a statement, or some of its objects."),
    "purge": ("purge", "Drop the bytes of an object or statement here; proofs stay."),
    "sweep": ("sweep", "Look for shared indicators in your own logs; stays local."),
    "stix": ("stix", "Check STIX bundles and patterns; no node is needed."),
    "case": ("case", "Open a case, invite parties, join, show."),
    "advisory": ("advisory", "One advisory, co-signed k of n."),
    "party": ("node", "Invite a party, join, confirm or remove one, list the directory."),
    "directory": ("directory", "The directory: show, propose, sign, publish, fetch, rivals."),
    "key": ("keys", "A party's keys: list, rotate, revoke."),
    "export": ("export", "A case as one file; indicators for machines and tools."),
    "verify": ("verify", "Check a dossier or a sheet offline."),
    "taxii": ("taxii", "TAXII 2.1: fetch, send, and accounts of your own server."),
    "log": ("record", "Show the log's head, entries and guard; prove one."),
    "witness": ("witness", "Who witnesses your log; run the witness role alone."),
    "peers": ("sync", "Other nodes: who is reached, what waits, what is held back."),
    "holders": ("sync", "To whom something of yours went, and what became of it there."),
    "token": ("node", "One-time sign-in links: tocsin token link."),
    "demo": ("node", "Remove or reload the exercise; open the public record."),
    "doctor": ("node", "What works here and what does not, each with a remedy."),
}


_MEANT = {
    word: [verb]
    for verb, words in {
        "ingest": "import read report add upload",
        "accept": "draft drafts review reject",
        "claims": "claim list search find show",
        "answer": "deny denial challenge rebut reply",
        "taxii": "pull push feed",
        "sweep": "hunt scan",
        "up": "serve start run",
    }.items()
    for word in words.split()
}
"""What people type who know other tools, and the verb they look for."""


class Verbs(click.Group):
    """The verbs, loaded one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"tocsin.cli.{VERBS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, line) for verb, (_, line) in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            near = _MEANT.get(args[0]) or difflib.get_close_matches(args[0], VERBS, n=1, cutoff=0.5)
            raise errors.UsageError(
                f"there is no verb {args[0]!r}",
                remedy=f"did you mean: tocsin {near[0]}" if near else "tocsin --help lists them",
            )
        return super().resolve_command(ctx, args)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tocsin")
@click.option(
    "--home",
    envvar="TOCSIN_HOME",
    metavar="DIR",
    help="The party's data folder (default: the user data folder; TOCSIN_HOME).",
)
@click.option(
    "--node",
    envvar="TOCSIN_NODE",
    metavar="URL",
    help="Talk to this running node (TOCSIN_TOKEN holds the token).",
)
@click.option("--no-input", is_flag=True, help="Never ask; refuse where --yes is missing.")
@click.option("-q", "--quiet", is_flag=True, help="Say only what was asked for.")
@click.pass_context
def tocsin(
    ctx: click.Context, home: str | None, node: str | None, no_input: bool, quiet: bool
) -> None:
    """Joint response to cyber attacks between parties that do not trust each other.

    What a party says is signed and logged; a claim shows its grounds; a denial stands beside it.
    Start with: tocsin up
    """
    ctx.obj = {"home": home, "node": node, "no_input": no_input, "quiet": quiet}


def exit_code(error: errors.TocsinError) -> int:
    """The exit code of `error`, by the one table."""
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))


def main(args: Sequence[str] | None = None) -> None:
    """Run one verb and leave with its exit code; a traceback is shown to whoever asks for it."""
    try:
        code = run(args)
    except Exception as fault:  # the last door: what comes here is a fault of ours
        if os.environ.get("TOCSIN_TRACE"):
            raise
        complain(
            errors.TocsinError(
                f"a fault in tocsin itself: {type(fault).__name__}: {fault}",
                remedy="report it, please, with what the same command prints under TOCSIN_TRACE=1; "
                "what was said is in: tocsin log show",
            )
        )
        code = 1
    sys.exit(code)


def run(args: Sequence[str] | None = None) -> int:
    """Run one verb; its exit code. Errors are two lines on stderr: value, then remedy."""
    try:
        result: Any = tocsin.main(
            args=None if args is None else list(args), prog_name="tocsin", standalone_mode=False
        )
        sys.stdout.flush()
    except errors.TocsinError as error:
        complain(error)
        return exit_code(error)
    except click.exceptions.NoArgsIsHelpError as wrong:
        # Whoever says `tocsin` or `tocsin case` and no more wants the list, not an error.
        print(wrong.format_message(), file=sys.stderr)
        return 2
    except click.UsageError as wrong:
        path = wrong.ctx.command_path if wrong.ctx is not None else "tocsin"
        complain(errors.UsageError(wrong.format_message(), remedy=f"{path} --help"))
        return 2
    except click.ClickException as wrong:
        complain(errors.UsageError(wrong.format_message(), remedy="tocsin --help"))
        return 2
    except UnicodeEncodeError as wrong:
        # Arguments may hold bytes that are no text; a path may, what is said may not.
        complain(
            errors.UsageError(
                f"{wrong.object[:60]!r} holds bytes that are no UTF-8", remedy="write it as text"
            )
        )
        return 2
    except (click.Abort, KeyboardInterrupt):
        print("tocsin: stopped", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of our output has gone (| head): leave without a word, and keep the
        # interpreter from complaining when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) and not isinstance(result, bool) else 0


def complain(error: errors.TocsinError) -> None:
    """Print an error the one way: the value at fault, then the remedy."""
    from tocsin.console.untrusted import terminal

    print(f"tocsin: error: {terminal(error.message)}", file=sys.stderr)
    print(f"tocsin: hint: {terminal(error.remedy)}", file=sys.stderr)
