package shell

import "slices"

var table []*Command

// init fills the table: help and redo, which are in it, read it.
func init() {
	table = slices.Concat(
		readCommands(), writeCommands(), accessCommands(), quotaCommands(), watchCommands(), ensembleCommands(), sessionCommands(),
	)
}

// Commands returns the table of commands, in the order of help.
func Commands() []*Command { return table }
