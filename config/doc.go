// Package config reads one YAML file into the Config types that other packages declare.
//
// Those packages only tag their fields and know nothing of YAML:
//
//	config:"key,required"   the key; required: there is no default and it must be given
//	config:"-"              no part of the file
//	default:"3s"            the value when nothing is given
//	doc:"…"                 one line of Japanese that says what it is
//	enum:"a|b"              what may stand there
//	unit:"size"             an int64 of bytes, written as 10GiB
//	format:"date"           a string of the form 2026-04-01
//	format:"path"           a string; a relative path counts from the folder of the file
//
// The tags are walked once into a description, and everything is made from it: decoding,
// overrides from the environment, the JSON Schema for editors, and the commented file that
// init and demo write. So none of the four can say something that the others do not.
//
// Decoding is strict and goes on after a fault, so that every [Problem] is told at once,
// each with its line and column. No message repeats a value: it may be a secret.
package config
