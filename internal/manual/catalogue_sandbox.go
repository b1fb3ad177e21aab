package manual

// sandboxEntries are the messages about the fictional city.
func sandboxEntries() []Entry {
	return []Entry{}
}
