//go:build !unix

package admin

// openFiles is not known on this system.
func openFiles() (int64, bool) { return 0, false }

// maxFiles is not known on this system.
func maxFiles() (int64, bool) { return 0, false }
