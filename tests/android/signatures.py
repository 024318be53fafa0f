"""Java stubs of Android's own classes, from the signature file in Debian's framework source (api/current.txt).

Good for one thing: a compiler sees the real names, parameters and types of API level 29. Nothing can be run. They are
more permissive than the real ones in four ways: every class can be subclassed without arguments, and no subclass must
override anything; fields whose value is not written down are not final; members that speak of classes outside the
wanted ones are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

_ANNOTATION = re.compile(r'@[\w.]+(\((?:[^()"]|"[^"]*"|\([^()]*\))*\))?\s*')
_CLASS = re.compile(r"^  ((?:[\w-]+ )*?)(class|interface|enum) ([\w.]+)(<.*?>)?( extends .*?)?( implements .*)? \{$")
_ANDROID = re.compile(r"\bandroid(?:\.[a-z]\w*)+(?:\.[A-Z]\w*)+")
_FOREIGN = re.compile(r"\b(?:org|javax|dalvik)\.[a-z]")
_METHOD = re.compile(r"^(.*?)(\w+)\((.*)\)( throws .*)?( default .*)?;")


@dataclass
class Type:
    """One class of the signature file."""

    package: str
    name: str  # with its outer classes: Bitmap.Config
    modifiers: str
    kind: str
    parameters: str
    extends: str
    implements: str
    members: list[str] = field(default_factory=list)

    @property
    def full(self) -> str:
        return f"{self.package}.{self.name}"

    def mentions(self) -> set[str]:
        """Android types that its members speak of."""
        return {name for member in self.members for name in _types_in(member)}


def read(*paths: Path) -> dict[str, Type]:
    """All types of signature files, by full name; a later file adds members to the types of an earlier one."""
    types: dict[str, Type] = {}
    package, current = "", None
    for line in (line for path in paths for line in path.read_text(encoding="utf-8").splitlines()):
        text = _ANNOTATION.sub("", line)
        if line.startswith("package "):
            package = text.split()[1]
        elif line.startswith("    ") and current is not None:
            current.members.append(text.strip())
        elif line.startswith("  ") and line.endswith("{"):
            found = _CLASS.match(text)
            current = None
            if found:
                modifiers, kind, name, parameters, extends, implements = found.groups(default="")
                fresh = Type(package, name, modifiers, kind, parameters, extends, implements)
                current = types.setdefault(fresh.full, fresh)
    return types


def _types_in(member: str) -> set[str]:
    return set(_ANDROID.findall(member.partition(" = ")[0]))


def wanted(types: dict[str, Type], seeds: set[str]) -> set[str]:
    """The seeds, what their members speak of, and the classes that all of these stand on or in."""
    chosen = {name for seed in seeds & types.keys() for name in (seed, *types[seed].mentions()) if name in types}
    open_names = list(chosen)
    while open_names:
        one = types[open_names.pop()]
        outer = one.full.rpartition(".")[0]
        below = {*_ANDROID.findall(one.extends + one.implements + one.parameters), outer} & types.keys()
        if one.full in seeds or any(seed in types and _stands_on(types, seed, one.full) for seed in seeds):
            below |= one.mentions() & types.keys()  # what a seed inherits can be called too
        open_names += below - chosen
        chosen |= below
    return chosen


def _stands_on(types: dict[str, Type], name: str, base: str) -> bool:
    while name in types:
        if name == base:
            return True
        name = next(iter(_ANDROID.findall(types[name].extends)), "")
    return False


def write_stubs(types: dict[str, Type], chosen: set[str], folder: Path) -> list[Path]:
    """Java files of the `chosen` types."""
    written = []
    for name in sorted(chosen):
        if "." not in types[name].name:
            path = folder / f"{name.replace('.', '/')}.java"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"package {types[name].package};\n\n{_java(types, chosen, types[name])}", encoding="utf-8")
            written.append(path)
    return written


def _java(types: dict[str, Type], chosen: set[str], one: Type) -> str:
    own = one.name.rpartition(".")[2]
    members = [m for m in one.members if _types_in(m) <= chosen and not _FOREIGN.search(m)]
    kept = ("public", "protected", "static", "abstract", "final")
    modifiers = " ".join(word for word in one.modifiers.split() if word in kept)
    if one.kind != "class":
        modifiers = modifiers.replace("abstract", "").replace("final", "")
    body = []
    if one.kind == "enum":
        names = [m.split()[-1].rstrip(";") for m in members if m.startswith("enum_constant")]
        body.append(", ".join(names) + ";")
    elif one.kind == "class":
        plain = next((m for m in members if m.startswith("ctor ") and "()" in m), "ctor protected")
        body.append(f"{plain.split()[1]} {own}() {{ throw new RuntimeException(); }}")
    for member in members:
        word, _, rest = member.partition(" ")
        if word == "ctor" and one.kind == "class":
            body.append(_constructor(own, rest))
        elif word == "method" and not (one.kind == "enum" and re.search(r"\b(values|valueOf)\(", rest)):
            body.append(_method(one, rest))
        elif word == "field":
            body.append(_field(one, rest))
    inside = [t for name in sorted(chosen) if (t := types[name]).full.rpartition(".")[0] == one.full]
    body += [_java(types, chosen, inner) for inner in inside]
    above = [name for name in _words(one.extends.removeprefix(" extends ")) if _known(name, chosen)]
    extends = f" extends {', '.join(above)}" if above else ""
    # Of Java's interfaces only those that Kotlin's `use` asks for; of Android's those whose methods are all there.
    kept_interfaces = [
        name
        for name in _words(one.implements.removeprefix(" implements "))
        if name in ("java.io.Closeable", "java.lang.AutoCloseable")
        or (name in chosen and ("abstract" in one.modifiers or _methods(types, name) <= _methods(types, one.full)))
    ]
    implements = f" implements {', '.join(kept_interfaces)}" if kept_interfaces and one.kind == "class" else ""
    lines = "\n".join(line for line in dict.fromkeys(body) if line)
    return f"{modifiers} {one.kind} {own}{one.parameters}{extends}{implements} {{\n{lines}\n}}\n"


def _methods(types: dict[str, Type], name: str) -> set[str]:
    """Names of a type's methods, and of those that it stands on."""
    if name not in types:
        return set()
    one = types[name]
    own = {found[2] for m in one.members if m.startswith("method") and (found := _METHOD.match(m.partition(" ")[2]))}
    return own.union(*(_methods(types, above) for above in _ANDROID.findall(one.extends)))


def _known(name: str, chosen: set[str]) -> bool:
    return name.startswith("java.") or (name.startswith("android.") and set(_ANDROID.findall(name)) <= chosen)


def _constructor(own: str, text: str) -> str:
    found = _METHOD.match(text)
    assert found, text
    parameters = _named(found[3])
    access = found[1].split()[0] if found[1].split() else ""
    return f"{access} {own}({parameters}){found[4] or ''} {{ }}" if parameters else ""


def _method(one: Type, text: str) -> str:
    found = _METHOD.match(text)
    assert found, text
    words = found[1].split()
    before = " ".join(word for word in words if word not in ("default", "synchronized", "native", "final", "abstract"))
    call = f"{found[2]}({_named(found[3])}){found[4] or ''}"
    if one.kind == "interface":
        if "default" in words or "static" in words:
            return f"{'default ' if 'default' in words else ''}{before} {call} {{ throw new RuntimeException(); }}"
        return f"{before} {call};"
    access, _, rest = before.partition(" ")
    return f"{access} native {rest} {call};"


def _field(one: Type, text: str) -> str:
    declared, _, value = text.partition(" = ")
    if not value and one.kind == "interface":
        return declared.rstrip(";") + " = null;"
    if not value:
        return declared.replace("final ", "").rstrip(";") + ";"
    kind = declared.split()[-2]
    value = re.sub(r"; *(//.*)?$", "", value)
    return f"{declared} = ({kind}) {value};" if kind in ("byte", "short", "char") else f"{declared} = {value};"


def _named(parameters: str) -> str:
    """Parameters with names: the file gives types alone."""
    return ", ".join(f"{part} p{number}" for number, part in enumerate(_words(parameters, ",")))


def _words(text: str, between: str = " ") -> list[str]:
    """The parts of a list; what lies in angle brackets is not parted."""
    parts, depth, start = [], 0, 0
    for place, letter in enumerate(text + between):
        depth += (letter == "<") - (letter == ">")
        if letter == between and not depth:
            parts.append(text[start:place].strip())
            start = place + 1
    return [part for part in parts if part]
