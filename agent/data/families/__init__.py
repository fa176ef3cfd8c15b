"""The task families: tasks a person can type, with exact truth. One file a family."""
