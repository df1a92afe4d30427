"""``python -m codesign_gym`` is the command ``codesign``."""

from codesign_gym.experiments.cli import main

if __name__ == "__main__":
    main()
