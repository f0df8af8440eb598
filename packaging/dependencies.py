#!/usr/bin/env python3
"""Says what the programs are made of, from Cargo.lock: as a CycloneDX document, and the licences in full.

dependencies.py TARGET SBOM LICENCES PACKAGE…: the files are written, about the programs of these packages
of the workspace. The same checkout gives the same bytes.
"""

import json
import pathlib
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
# A build script of the one compiles and links the other.
LINKED_BY_BUILD = ("openssl-sys", "openssl-src")


def cargo(*arguments):
    command = ["cargo", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def linked(members, target):
    """Names and versions of what is in the programs: neither tools of tests nor macros."""
    chosen = [word for member in members for word in ("--package", member)]
    lines = cargo(
        *("tree", "--locked", "--edges", "normal,no-proc-macro", "--target", target),
        *("--prefix", "none", "--no-dedupe", "--format", "{p}", *chosen),
    )
    words = {tuple(line.split()[:2]) for line in lines.splitlines() if line}
    return {(name, version.removeprefix("v")) for name, version in words}


def shipped(target, members):
    """The packages in the programs by name, each with the ids of those that it uses."""
    graph = json.loads(cargo("metadata", "--locked", "--format-version", "1", "--filter-platform", target))
    found = linked(members, target)
    by_build = {LINKED_BY_BUILD[1]} if any(name == LINKED_BY_BUILD[0] for name, _ in found) else set()
    in_programs = {
        p["id"]: p
        for p in graph["packages"]
        if (p["name"], p["version"]) in found or p["name"] in by_build
    }
    uses = {
        node["id"]: [id for id in node["dependencies"] if id in in_programs]
        for node in graph["resolve"]["nodes"]
    }
    by_name = sorted(in_programs.values(), key=lambda p: (p["name"], p["version"]))
    return [(package, uses[package["id"]]) for package in by_name]


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, checksums):
    about = {
        "type": "library",
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package["version"],
        "purl": reference(package),
    }
    if package["license"]:
        # Old manifests separate by a slash.
        about["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if package["description"]:
        about["description"] = " ".join(package["description"].split())
    if checksum := checksums.get((package["name"], package["version"])):
        about["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        about["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return about


def sbom(packages, members):
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    checksums = {(entry["name"], entry["version"]): entry.get("checksum") for entry in lock}
    names = {package["id"]: reference(package) for package, _ in packages}
    ours = {package["name"]: package for package, _ in packages if not package["source"]}
    version = ours[members[0]]["version"]
    whole = {"type": "application", "bom-ref": "anomaly", "name": "anomaly", "version": version}
    programs = sorted(reference(ours[member]) for member in members)
    edges = [{"ref": "anomaly", "dependsOn": programs}]
    edges += [{"ref": names[p["id"]], "dependsOn": sorted({names[id] for id in needs})} for p, needs in packages]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": whole},
        "components": [component(package, checksums) for package, _ in packages],
        "dependencies": edges,
    }


def licences(packages):
    """The texts, each once, below the names of the packages that have it."""
    texts = {}
    for package, _ in packages:
        folder = pathlib.Path(package["manifest_path"]).parent
        files = [f for f in folder.iterdir() if f.name.upper().startswith(("LICEN", "COPYING", "NOTICE", "UNLICENSE"))]
        for file in sorted(file for file in files if file.is_file() and package["source"]):
            text = file.read_text(errors="replace").strip()
            texts.setdefault(text, []).append(f"{package['name']} {package['version']}")
    chapters = [f"{', '.join(names)}\n\n{text}\n" for text, names in texts.items()]
    return f"\n{'-' * 80}\n\n".join(chapters)


def main():
    target, bom, texts, *members = sys.argv[1:]
    packages = shipped(target, members)
    pathlib.Path(bom).write_text(json.dumps(sbom(packages, members), indent=2) + "\n")
    pathlib.Path(texts).write_text(licences(packages))


if __name__ == "__main__":
    main()
