"""What people take away: figures in a notebook, a bundle for a paper, a report in one file."""
