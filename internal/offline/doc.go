// Package offline answers questions about data directories and single files of
// either implementation, without a server: what a transaction log says, what a
// snapshot holds, what the tree was like at a zxid, and what a server would
// make of the directory.
//
// It owns no file. It must never change one, take a lock, or disturb a server
// that runs on the directory; what it writes is a new file under a name that was
// free. It must not have rules of its own about what is damaged or how to
// recover: those are of packages txnlog, snap and store, where the server has
// them from too. Whatever the bytes are, it says what is wrong with them and
// does not panic.
package offline

import "errors"

// ErrDamaged says that something is wrong with the data; what it is was told
// before. Commands exit with 1.
var ErrDamaged = errors.New("the data is damaged, see above")

// ErrDifferent says that two things compared are not equal. Commands exit with 1.
var ErrDifferent = errors.New("they differ")
