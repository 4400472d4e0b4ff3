"""The laboratory: hepae beside the alternatives, the literature's networks, reports, images, taggers. The extra `lab`.

Nothing outside this folder imports it. Its commands come to the command line as entry points of the group
`hepae.commands`, and are listed in ``pyproject.toml``.
"""
