"""`python -m portraitnet`, the form that torchrun starts."""

from .cli import main

if __name__ == "__main__":
    main()
