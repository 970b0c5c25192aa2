"""Model families that break the generic rule, one small declaration a file."""
