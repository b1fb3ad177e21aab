package sandbox

import "errors"

// What may be wrong, for whoever runs the stand-ins; errors.Is tells them apart.
var (
	// ErrNoCity says that the folder holds no city: nothing was ever opened there.
	ErrNoCity = errors.New("there is no fictional city in this folder")
	// ErrServed says that another process serves the folder.
	ErrServed = errors.New("the stand-ins of this folder run in another process")
	// ErrNotRunning says that no process serves the folder.
	ErrNotRunning = errors.New("the stand-ins of this folder do not run")
	// ErrPortTaken says that a port which the folder remembers belongs to somebody else.
	ErrPortTaken = errors.New("a port of the stand-ins is taken by another program")
	// ErrUnknown says that a system, a kind of fault, a role or a member of staff does not exist.
	ErrUnknown = errors.New("unknown")
)
