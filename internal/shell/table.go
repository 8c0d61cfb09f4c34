package shell

import "sync"

// Commands returns the table of commands, in the order of help. It is a
// function because help and completion, which are commands, read it.
var Commands = sync.OnceValue(func() []*Command {
	var all []*Command
	for _, group := range [][]*Command{readCommands()} {
		all = append(all, group...)
	}
	return all
})
