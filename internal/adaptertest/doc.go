// Package adaptertest is the examination that every adapter sits against its stand-in: what
// it says when the neighbour is well, slow, broken, silent or busy, and that it comes back
// by itself; and of those who write, that a letter goes out once and that nothing which may
// have happened is said not to have. It is for tests alone and knows neither the adapter nor the stand-in, both of
// which it is given as functions.
package adaptertest
