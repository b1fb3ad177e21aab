package ledger

import "strings"

// AddressKey folds away how an address is written down, for search and comparison only:
// 架空町一丁目2番地の3 and 架空町1-2-3 have one key. The empty string gives "".
func AddressKey(s string) string { return addressKey(s) }

// AddressWithin tells whether what somebody said of an address at the counter is part of
// the address on file, however either is written.
func AddressWithin(said, onFile string) bool {
	key := addressKey(said)
	return key != "" && strings.Contains(addressKey(onFile), key)
}
