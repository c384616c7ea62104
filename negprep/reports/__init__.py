"""What a log holds, and prepared files as a page of HTML."""
