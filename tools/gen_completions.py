#!/usr/bin/python3
"""Writes packaging/completions/strata.bash, .zsh and .fish from spec/program.yaml and spec/config.yaml.

gen_completions.py           writes the files
gen_completions.py --check   answers 1 and names the files that are out of date
"""
import os
import re
import sys

import yaml

from gen_config import ROOT, read_keys

FOLDER = "packaging/completions"
NOTE = "Generated from spec/program.yaml and spec/config.yaml by tools/gen_completions.py: change those instead."
PATHS = {"unixsocket", "aclfile", "pidfile", "logfile", "rules", "memory-file", "warm-file"}
DIRECTORIES = {"dir", "backup-dir", "tls-ca-cert-dir"}


class Command:
    """A command or, as `snapshot export`, a command with a subcommand, and what may stand behind."""

    def __init__(self, words, row, shared=()):
        self.words = words
        self.about = row["about"]
        self.argument = row.get("argument")
        self.subcommands = [(one["name"], one["about"]) for one in row.get("subcommands", [])]
        self.flags = [*shared, *row.get("flags", []), {"name": "help", "about": "print what there is"}]

    @property
    def name(self):
        return " ".join(self.words)


def first_sentence(text):
    text = re.sub(r"\s*\(\[[^]]*\]\([^)]*\)\)", "", text)
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text).replace("`", "")
    return re.split(r"[.:;] |\.$", text)[0]


def flag_of_key(key):
    name, kind = key["name"], key["type"]
    value = "value"
    if kind == "bool":
        value = ["yes", "no"]
    elif kind == "enum":
        value = key["choices"]
    elif name in DIRECTORIES:
        value = "directory"
    elif name in PATHS or re.search(r"-file$", name):
        value = "file"
    return {"name": name, "value": value, "about": first_sentence(key["description"])}


def read_commands():
    """Every command and subcommand, in the order of the file; and the commands themselves with what they are about."""
    with open(os.path.join(ROOT, "spec/program.yaml"), encoding="utf-8") as file:
        document = yaml.safe_load(file)
    rows = document["commands"]

    def connection(row):
        wanted = row.get("connection")
        return [flag for flag in document["connection"] if wanted and (flag["name"] != "db" or wanted is True)]

    keys = [flag_of_key(key) for key in read_keys() if key["type"] != "fixed"]
    found = []
    for row in rows:
        found.append(Command([row["name"]], {**row, "flags": row.get("flags", []) + (keys if row.get("keys") else [])}, connection(row)))
        found += [Command([row["name"], one["name"]], one, connection(one)) for one in row.get("subcommands", [])]
    return [(row["name"], row["about"]) for row in rows], found


def quote(text):
    return "'" + str(text).replace("'", "'\\''") + "'"


def by_value(command):
    """What may follow a flag: {value: flags}."""
    groups = {}
    for flag in command.flags:
        if "value" in flag:
            value = flag["value"]
            groups.setdefault(" ".join(map(str, value)) if isinstance(value, list) else ("-" + value), []).append(flag["name"])
    return groups


def bash_values(command):
    """The arms of a case over the flag before the cursor."""
    for value, names in by_value(command).items():
        pattern = " | ".join("--" + name for name in names)
        if value in ("-file", "-directory"):
            action = "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -%s -- \"$word\")" % ("f" if value == "-file" else "d")
        elif value.startswith("-"):
            action = ":"  # what it is cannot be guessed
        else:
            action = "mapfile -t COMPREPLY < <(compgen -W %s -- \"$word\")" % quote(value)
        yield f"        {pattern}) {action}; return ;;"


def make_bash(tops, commands):
    out = [f"# bash completion for strata. {NOTE}", "", "_strata() {",
           "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]-} words=",
           "    COMPREPLY=()",
           "    # --flag=value is three words here.",
           "    if [[ $word == = ]]; then word=; elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD - 2]}; fi",
           "    if ((COMP_CWORD == 1)); then",
           "        mapfile -t COMPREPLY < <(compgen -W %s -- \"$word\")" % quote(" ".join(name for name, _ in tops)),
           "        return", "    fi",
           "    ((COMP_CWORD == 2)) || case \"$command ${COMP_WORDS[2]}\" in",
           "    %s) command+=\" ${COMP_WORDS[2]}\" ;;" % " | ".join(quote(one.name) for one in commands if len(one.words) == 2), "    esac",
           "    case $command in"]
    for command in commands:
        out.append(f"    {quote(command.name)})")
        arms = list(bash_values(command))
        if arms:
            out += ["        case $before in", *arms, "        esac"]
        words = ["--" + flag["name"] for flag in command.flags]
        if command.name == "help":
            words = [name for name, _ in tops]
        out.append("        words=%s" % quote(" ".join(words)))
        if command.subcommands:
            out.append("        ((COMP_CWORD != 2)) || words+=%s" % quote(" " + " ".join(name for name, _ in command.subcommands)))
        if command.argument:
            how = "f" if command.argument == "file" else "d"
            out += ["        if [[ $word != -* ]]; then", "            compopt -o filenames",
                    f"            mapfile -t COMPREPLY < <(compgen -{how} -- \"$word\")", "            return", "        fi"]
        out.append("        ;;")
    out += ["    esac", "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")", "}", "complete -F _strata strata"]
    return out


def zsh_flag(flag):
    about = re.sub(r"([\[\]:\\])", r"\\\1", str(flag["about"]))
    if "value" not in flag:
        return quote(f"--{flag['name']}[{about}]")
    value = flag["value"]
    what = value if isinstance(value, str) else flag["name"]
    action = {"file": "_files", "directory": "_files -/"}.get(value, "") if isinstance(value, str) else "(%s)" % " ".join(map(str, value))
    return quote(f"*--{flag['name']}=[{about}]:{what}:{action}")


def make_zsh(tops, commands):
    def described(pairs):
        return " ".join(quote("%s:%s" % (name, str(about).replace(":", "\\:"))) for name, about in pairs)

    out = ["#compdef strata", f"# zsh completion for strata. {NOTE}", "", "_strata() {", "    local command=$words[2]",
           "    local -a names flags", "    if ((CURRENT == 2)); then", f"        names=({described(tops)})",
           "        _describe command names", "        return", "    fi",
           "    local -i depth=1",
           "    ((CURRENT == 3)) || case \"$words[2] $words[3]\" in",
           "    (%s) command+=\" $words[3]\"; depth=2 ;;" % "|".join(quote(one.name) for one in commands if len(one.words) == 2), "    esac",
           "    case $command in"]
    for command in commands:
        out.append(f"    ({quote(command.name)})")
        if command.name == "help":
            out += [f"        names=({described(tops)})", "        _describe command names", "        ;;"]
            continue
        if command.subcommands:
            out += ["        if ((CURRENT == 3)); then", f"            names=({described(command.subcommands)})",
                    "            _describe subcommand names", "        fi"]
        out += ["        flags=("] + [f"            {zsh_flag(flag)}" for flag in command.flags]
        if command.argument:
            out.append("            " + quote("*:%s:%s" % (command.argument, "_files" if command.argument == "file" else "_files -/")))
        out += ["        )", "        ;;"]
    out += ["    esac", "    # What stands before the flags is no argument of theirs.", "    shift $depth words",
            "    ((CURRENT -= depth))", "    ((!$#flags)) || _arguments -S \"$flags[@]\"", "}", "",
            "if [[ $funcstack[1] == _strata ]]; then _strata \"$@\"; else compdef _strata strata; fi"]
    return out


def make_fish(tops, commands):
    out = [f"# fish completion for strata. {NOTE}", "", "function __strata_is",
           "    # Whether the command line so far begins with these words, and none of the subcommands behind `--` is next.",
           "    set -l words (commandline -opc)", "    set -e words[1]",
           "    while set -q argv[1]; and test \"$argv[1]\" != --",
           "        test \"$words[1]\" = \"$argv[1]\"; or return 1", "        set -e words[1]", "        set -e argv[1]", "    end",
           "    not set -q words[1]; or not contains -- $words[1] $argv[2..]", "end", "",
           "complete -c strata -f"]
    for name, about in tops:
        out.append(f"complete -c strata -n 'test (count (commandline -opc)) = 1; or __strata_is help' -a {name} -d {quote(about)}")
    for command in commands:
        subs = [name for name, _ in command.subcommands]
        here = quote("__strata_is " + " ".join(command.words) + (" -- " + " ".join(subs) if subs else ""))
        for name, about in command.subcommands:
            out.append(f"complete -c strata -n {here} -a {name} -d {quote(about)}")
        if command.argument:
            what = "(__fish_complete_path)" if command.argument == "file" else "(__fish_complete_directories)"
            out.append(f"complete -c strata -n {here} -a {quote(what)}")
        for flag in command.flags:
            line = f"complete -c strata -n {here} -l {flag['name']} -d {quote(flag['about'])}"
            value = flag.get("value")
            if isinstance(value, list):
                line += " -x -a " + quote(" ".join(map(str, value)))
            elif value == "directory":
                line += " -x -a '(__fish_complete_directories)'"
            elif value == "file":
                line += " -r -F"
            elif value:
                line += " -x"
            out.append(line)
    return out


def main():
    tops, commands = read_commands()
    stale = []
    for name, make in (("strata.bash", make_bash), ("strata.zsh", make_zsh), ("strata.fish", make_fish)):
        path = os.path.join(ROOT, FOLDER, name)
        text = "\n".join(make(tops, commands)) + "\n"
        if "--check" in sys.argv[1:]:
            if not os.path.exists(path) or open(path, encoding="utf-8").read() != text:
                stale.append(f"{FOLDER}/{name}")
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    if stale:
        sys.exit("out of date, run tools/gen_completions.py: " + ", ".join(stale))


if __name__ == "__main__":
    main()
