package offline

import (
	"errors"

	"quokka/internal/disk/snap"
	"quokka/internal/disk/txnlog"
)

// isCorrupt tells whether an error is about the content of a file, not about
// reading it.
func isCorrupt(err error) bool {
	_, log := errors.AsType[*txnlog.CorruptError](err)
	_, snapshot := errors.AsType[*snap.CorruptError](err)
	return log || snapshot
}
