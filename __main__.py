"""`python -m portraitnet`, the form that torchrun starts."""

from .cli.app import main

if __name__ == "__main__":
    main()
