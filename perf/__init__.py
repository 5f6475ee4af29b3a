"""Performance of rhm, measured so that people can trust it. README.md says what each command does."""
