"""The command of lm-evaluation-harness, with data sets from a local folder instead of the hub.

    python lm_eval_local.py DATA --tasks arc_easy --limit 200 --log_samples --output_path OUT --device cpu --batch_size 8
        --model hf --model_args pretrained=CHECKPOINT,dtype=float32,add_bos_token=True

DATA has the authors' own files, see local_hub_data.py; all other arguments are lm_eval's, and so is all that is computed and
written. Needs its own environment: see requirements-lm-eval.txt.
"""

import sys
from pathlib import Path

from lm_eval.__main__ import cli_evaluate

from local_hub_data import serve


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    serve(Path(sys.argv.pop(1)))
    cli_evaluate()


if __name__ == "__main__":
    main()
