"""`nomis-pipelines` on a machine whose clock is set while it runs: by CLOCK_JUMP_SECONDS, after CLOCK_JUMP_AFTER."""

import os
import threading
import time

import time_machine


def main() -> None:
    """Run the command line; the clock jumps once. Only the clock on the wall does: `time.monotonic` never jumps."""
    from nomis_pipelines.cli.main import main as command_line

    def jump() -> None:
        time_machine.travel(time.time() + float(os.environ["CLOCK_JUMP_SECONDS"]), tick=True).start()

    timer = threading.Timer(float(os.environ["CLOCK_JUMP_AFTER"]), jump)
    timer.daemon = True
    timer.start()
    command_line()


if __name__ == "__main__":
    main()
