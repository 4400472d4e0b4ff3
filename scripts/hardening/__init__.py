"""Long runs that try to break promises; each writes a page of docs/evidence."""
