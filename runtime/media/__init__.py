"""Reading and writing pictures and videos, and what threads and memory they take."""
