"""Reading claims from text: who is printed as saying what; one wording beside another."""
