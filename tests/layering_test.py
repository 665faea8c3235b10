#!/usr/bin/env python3
"""Style that can be checked: include arrows, what the core does without, file sizes, no paths of anybody's machine.

    geneve <- disco <- relay/core <- relay/dataplane <- relay/main.cc, relay/client, relay/ctl
       ^                   ^-------- relay/control   <-'  |
       '---- relay/control <---- ingress <- ingress/frontend, ingress/node
    bench/ and tests/ may include anything; nothing includes bench/, tests/ or deploy/.
"""

import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-")
                    else pathlib.Path(__file__).parent.parent).resolve()

PACKET_PATH = ["geneve", "disco", "relay/core"]
MAY_INCLUDE = {  # Every folder may include itself.
    "geneve": [],
    "disco": ["geneve"],
    "relay/core": ["geneve", "disco"],
    "relay/dataplane": PACKET_PATH,
    "relay/control": PACKET_PATH,
    "ingress": [*PACKET_PATH, "relay/control"],
    "ingress/frontend": [*PACKET_PATH, "relay/control", "ingress"],
    "ingress/node": [*PACKET_PATH, "relay/control", "ingress"],  # And its program, funnel-node.
    # Programs: they stand on the parts, and nothing stands on them.
    "relay/client": [*PACKET_PATH, "relay/dataplane", "relay/control"],
    "relay/ctl": [*PACKET_PATH, "relay/control", "relay/client", "ingress"],
    "relay": [*PACKET_PATH, "relay/dataplane", "relay/control", "ingress", "ingress/frontend", "ingress/node"],  # main.cc
}
ABOVE_ALL = ("bench", "tests", "deploy")  # Included by nothing but each other and test code.
TEST_CODE = re.compile(r"_(test|fuzz|bench)\.cc$|_fixture\.(cc|h)$")

# The core decides; it does not do. (<chrono> is there for its types, <mutex> for lock_guard on a ByteLock, <sys/mman.h>
# for the table's memory.)
CORE_WITHOUT = [
    (re.compile(r"#include <(sys/(?!mman)|netinet/|arpa/|net/|netdb|poll\.h|unistd|fcntl|linux/)"), "a socket or system call"),
    (re.compile(r"#include <(thread|pthread|future|condition_variable|semaphore)\b"), "a thread"),
    (re.compile(r"_clock::now\(|clock_gettime|gettimeofday|#include <(ctime|time\.h)>"), "a clock"),
    (re.compile(r"#include <(iostream|fstream|cstdio|syslog\.h)>|absl/log/|\bf?printf\("), "a log"),
    (re.compile(r"#include [<\"](boost/|openssl/|prometheus/)"), "HTTP, TLS or metrics"),
    (re.compile(r"rte_eal_init|#include <rte_(ethdev|mbuf|mempool)"), "EAL"),
]

MAX_LINES = 400
MACHINE_PATH = re.compile(r"/(?:home|root|Users|work)/[\w.]")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def files():
    """Path below ROOT and text of every file that is ours."""
    for path in sorted(ROOT.rglob("*")):
        relative = path.relative_to(ROOT)
        hidden = any(part.startswith(".") and part != ".ci" for part in relative.parts)
        if hidden or relative.parts[0].startswith("build") or "__pycache__" in relative.parts or not path.is_file():
            continue
        try:
            yield relative.as_posix(), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # Corpora and the like.


FILES = dict(files())
SOURCES = {path: text for path, text in FILES.items() if path.endswith((".cc", ".h"))}


def folder_of(path):
    """The part of the house that a file is in: the longest name of MAY_INCLUDE or ABOVE_ALL that leads to it."""
    names = [name for name in (*MAY_INCLUDE, *ABOVE_ALL) if path.startswith(name + "/")]
    return max(names, key=len, default=None)


class LayeringTest(unittest.TestCase):
    def assert_none(self, faults):
        if faults:
            self.fail("\n  " + "\n  ".join(faults))

    def test_there_is_something_to_check(self):
        self.assertGreater(len(SOURCES), 20)

    def test_every_source_has_a_place(self):
        self.assert_none([f"{path}: in no folder that this test knows" for path in SOURCES if folder_of(path) is None])

    def test_includes_point_one_way(self):
        faults = []
        for path, text in SOURCES.items():
            here = folder_of(path)
            for name in INCLUDE.findall(text):
                there = folder_of(name)
                if there is None or there == here or here in ABOVE_ALL:
                    continue
                if there in ABOVE_ALL:
                    if not TEST_CODE.search(path):
                        faults.append(f"{path}: only tests and benchmarks include {name}")
                elif there not in MAY_INCLUDE.get(here, []):
                    faults.append(f"{path}: {here} must not include {name}")
        self.assert_none(faults)

    def test_our_own_headers_are_included_from_the_root(self):
        faults = []
        for path, text in SOURCES.items():
            for name in INCLUDE.findall(text):
                if name not in FILES and (pathlib.PurePosixPath(path).parent / name).as_posix() in FILES:
                    faults.append(f'{path}: "{name}" is written from the root of the tree')
        self.assert_none(faults)

    def test_core_does_no_io(self):
        self.assert_none([f"{path}: the core has {what}" for path, text in SOURCES.items()
                          if folder_of(path) in ("geneve", "relay/core") and not TEST_CODE.search(path)
                          for pattern, what in CORE_WITHOUT if pattern.search(text)])

    def test_no_file_is_too_long(self):
        self.assert_none([f"{path}: {lines} lines; {MAX_LINES} are the limit" for path, text in SOURCES.items()
                          if (lines := text.count("\n")) > MAX_LINES])

    def test_no_paths_of_a_machine(self):
        self.assert_none([f"{path}: {match.group(0)}…" for path, text in FILES.items()
                          if (match := MACHINE_PATH.search(text))])


if __name__ == "__main__":
    unittest.main(verbosity=2)
