"""Does what a Dockerfile says, without Docker.

Each stage is a folder that becomes the root of what runs in it. `/usr` is this machine's, read-only and
without `/usr/local`; `/etc` is a copy; the rest is the stage's own. That takes the right to mount and to
change the root, which root has.
"""

import fnmatch
import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path


class Stage:
    """A root folder, and what the instructions so far have set."""

    def __init__(self, root, seen, path):
        self.root = root
        self.workdir, self.user = "/", "root"
        self.volumes, self.ports, self.stop_signal, self.command = [], [], None, None
        self.health_check = None
        self.environment = {"PATH": path}
        self.said = []  # what each RUN has written to standard error
        for name in ["tmp", "var/lib", "usr/local/bin", "proc", "dev"]:
            (root / name).mkdir(parents=True)
        (root / "tmp").chmod(0o1777)
        subprocess.run(["cp", "-aT", "/etc", root / "etc"], check=True)
        # Where /bin, /lib and the like are links into /usr, as in Debian.
        for link in [path for path in Path("/").iterdir() if path.is_symlink()]:
            (root / link.name).symlink_to(os.readlink(link))
        self.mounts = [("/proc", "rw"), ("/dev", "rw"), *((path, "rw") for path in seen)]
        self.mounts += [(str(path), "ro") for path in Path("/usr").iterdir() if path.name != "local"]
        for path, _ in self.mounts:
            self.inside(path).mkdir(parents=True, exist_ok=True)

    def inside(self, path):
        """Where a path of the stage is on this machine."""
        return self.root / os.path.join(self.workdir, path).lstrip("/")

    def argv(self, command):
        """What runs `command` in the stage, as its user, and becomes it: a signal reaches it."""
        root = shlex.quote(str(self.root))
        steps = [
            f"mount --rbind -o {mode} {shlex.quote(path)} {root}{shlex.quote(path)}"
            for path, mode in self.mounts
        ]
        enter = 'cd "$0" && exec "$@"'
        steps.append(
            f"exec chroot --userspec={self.user} {root} sh -c {shlex.quote(enter)} "
            f'{shlex.quote(self.workdir)} "$@"'
        )
        return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", "\n".join(steps), "sh", *command]


def build(site, folder, seen, environment):
    """Does all instructions for the site. Gives the stages by their names, and the last one, the image.

    `seen` are folders of this machine that are in each stage too, `environment` is that of each RUN.
    """
    stages = {}
    stage = None
    for instruction, rest in instructions((site / "Dockerfile").read_text()):
        print(f"  {instruction} {rest}", flush=True)
        if instruction == "FROM":
            name = rest.split(" AS ")[-1]
            stage = stages[name] = Stage(folder / str(len(stages)), seen, environment["PATH"])
        else:
            perform(instruction, rest, stage, stages, site, environment)
    return stages, stage


def instructions(text):
    """`("RUN", "cargo build")` for each. A backslash goes on in the next line; a comment is none."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            instruction, rest = line.split(maxsplit=1)
            yield instruction, " ".join(rest.split())


def perform(instruction, rest, stage, stages, site, environment):
    if instruction == "WORKDIR":
        stage.workdir = os.path.join(stage.workdir, rest)
        stage.inside(".").mkdir(parents=True, exist_ok=True)
    elif instruction == "RUN":
        environment = {**environment, **stage.environment}
        command = stage.argv(["sh", "-c", rest])
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"RUN {rest}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
        stage.said.append(done.stderr)
    elif instruction == "COPY":
        copy(shlex.split(rest), stage, stages, site)
    elif instruction == "ENV":
        stage.environment.update(pair.split("=", 1) for pair in shlex.split(rest))
    elif instruction == "USER":
        stage.user = rest
    elif instruction == "VOLUME":
        stage.volumes.append(rest)
    elif instruction == "EXPOSE":
        stage.ports.append(rest)
    elif instruction == "STOPSIGNAL":
        stage.stop_signal = rest
    elif instruction == "HEALTHCHECK":
        stage.health_check = json.loads(rest.partition(" CMD ")[2])
    elif instruction == "CMD":
        stage.command = json.loads(rest)
    else:
        raise SystemExit(f"the Dockerfile has an instruction that is not known here: {instruction}")


def copy(words, stage, stages, site):
    """`COPY [--from=STAGE] WHAT… WHERE`. Files keep their times, as Docker keeps them."""
    origin = None
    if words[0].startswith("--from="):
        origin = stages[words.pop(0).removeprefix("--from=")]
    *sources, target = words
    for source in sources:
        path = origin.inside(source) if origin else site / source
        into = stage.inside(target)
        if path.is_dir():
            ignore = None if origin else ignored(site)
            shutil.copytree(path, into, symlinks=True, dirs_exist_ok=True, ignore=ignore)
        else:
            into = into / path.name if target.endswith("/") else into
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, into)


def ignored(site):
    """What `.dockerignore` keeps out: patterns count from the site's folder."""
    patterns = [line.strip("/") for line in (site / ".dockerignore").read_text().splitlines() if line]

    def names(folder, entries):
        inside = [(entry, os.path.relpath(os.path.join(folder, entry), site)) for entry in entries]
        return {
            entry for entry, path in inside if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)
        }

    return names
