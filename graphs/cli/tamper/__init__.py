"""`selfcritic tamper`: insert flaws into correct answers (extra `data`)."""
