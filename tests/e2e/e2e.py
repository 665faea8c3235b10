"""What every end-to-end test starts with: `e2e.main()` at the end of the file."""

import os
import shutil
import sys
import tempfile
import unittest

import netns
import programs


def main(tools=(), binaries=("relayd",)):
    """Runs the file's tests in namespaces of their own, or exits with 77 and says what is missing."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    missing += [name for name in binaries if not os.access(programs.binary(name), os.X_OK)]
    if missing:
        print(f"SKIPPED: not found: {', '.join(missing)} (deploy/install-deps; RELAYD_BUILD)", file=sys.stderr)
        sys.exit(netns.SKIPPED)
    netns.enter_private()
    # The programs' own too: one that a test kills takes nothing away itself.
    with tempfile.TemporaryDirectory(prefix="relayd-e2e-") as folder:
        os.chmod(folder, 0o711)  # nginx's workers read below it, as nobody.
        tempfile.tempdir = os.environ["TMPDIR"] = folder
        unittest.main(verbosity=2, warnings="ignore")  # Sockets that the collector closes are no news.


class TestCase(unittest.TestCase):
    """Every program and context given to `start` is stopped at the end of the test; if it failed, its output is shown."""

    def start(self, context):
        self.addCleanup(self._show_if_failed, context)
        return self.enterContext(context)

    def _show_if_failed(self, context):
        outcome = self._outcome.result
        failed = any(test is self for test, _ in outcome.failures + outcome.errors)
        if failed and isinstance(context, programs.Program):
            print(f"--- {' '.join(context.command)}\n{context.output()}", file=sys.stderr)

    def wait_at_rest(self, relayd, timeout=5.0):
        """Waits until the relay has taken in all that was sent and has accounted for it; returns that scrape."""
        seen = None

        def look():
            nonlocal seen
            waiting = relayd.bytes_in_sockets()
            metrics = relayd.metrics()
            received = metrics.total("relayd_received_packets_total")
            still, seen = received == seen, received
            return metrics if waiting == 0 and still and metrics.balance() == 0 else None
        return programs.wait_until(look, "received = forwarded + answered + accepted + to kernel + dropped", timeout)
