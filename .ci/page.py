"""A page of the guide, as the steps that its reader takes."""

import re
from dataclasses import dataclass
from pathlib import Path


class PageError(Exception):
    """What a reader of the page could not do."""


@dataclass
class File:
    """Its whole text."""

    name: str
    text: str

    def take(self, folder):
        path = folder / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text)


@dataclass
class Change:
    """Lines with `+` and `-`, among those that are there. With `+` alone, they go to the end of the file."""

    name: str
    lines: list

    def take(self, folder):
        path = folder / self.name
        old = "".join(line[1:] for line in self.lines if line[0] in " -")
        new = "".join(line[1:] for line in self.lines if line[0] in " +")
        text = path.read_text()
        if not old:
            path.write_text(text + new)
            return
        count = ("\n" + text).count("\n" + old)
        if count != 1:
            raise PageError(f"{self.name} has these lines {count} times, where the page changes them:\n{old}")
        path.write_text(("\n" + text).replace("\n" + old, "\n" + new)[1:])


@dataclass
class Commands:
    lines: list


@dataclass
class See:
    """Where the page says what is to be seen now."""

    step: str
    text: str


def steps(path):
    """What is to be done, in the order of the page: by the title of each of its numbered parts."""
    title, name, found = None, None, {}
    lines = iter(Path(path).read_text().splitlines(keepends=True))
    for line in lines:
        if heading := re.match(r"## (.*)", line):
            title, name = heading[1], None
            found[title] = []
        elif named := re.fullmatch(r"\*\*`(.*)`\*\*\n", line):
            name = named[1]
        elif line.startswith("**See:**"):
            found[title].append(See(title, line.removeprefix("**See:**").strip()))
        elif fence := re.fullmatch(r"```(\w*)\n", line):
            block = list(iter(lambda: next(lines), "```\n"))
            found[title].append(_block(fence[1], name, block, title))
            if fence[1] != "diff":
                name = None
    numbered = {title: blocks for title, blocks in found.items() if re.match(r"\d", title)}
    for title, blocks in numbered.items():
        if not any(isinstance(block, See) for block in blocks):
            raise PageError(f"the step {title!r} ends with nothing to see")
    return numbered


def _block(language, name, lines, title):
    if language == "sh":
        return Commands([line.strip() for line in lines])
    if name is None:
        raise PageError(f"in {title!r}, no file's name stands above these lines:\n{''.join(lines)}")
    if language != "diff":
        return File(name, "".join(lines))
    # An empty line of the page may have lost the space that it begins with.
    return Change(name, [line if line != "\n" else " \n" for line in lines])
