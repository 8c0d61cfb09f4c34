package cli

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/alecthomas/kong"

	"quokka/internal/shell"
)

// own are the names that stay the program's although the shell has commands
// of the same name.
var own = []string{"version", "help"}

// runShell runs a command line that is for the shell. It comes before all
// else: the shell has its own grammar, which is zkCli.sh's, and its own way
// with signals.
func runShell(args []string, stdio IO) (code int, ok bool) {
	streams := shell.Streams{In: stdio.In, Out: stdio.Out, Err: stdio.Err, Environ: stdio.Environ}
	if slices.Contains(shell.Names, filepath.Base(stdio.Name)) {
		return shell.Main(args, true, streams), true
	}
	switch {
	case len(args) == 0:
		return 0, false
	case args[0] == "help":
		return runHelp(args[1:], stdio, streams), true
	case slices.Contains(own, args[0]) || !shell.Wants(args):
		return 0, false
	}
	return shell.Main(args, false, streams), true
}

// suggestion names the shell's command that somebody may have meant.
func suggestion(args []string) string {
	if name := shell.Suggest(args[0]); name != "" {
		return " did you mean " + name + "?"
	}
	return ""
}

// runHelp says what a command of either kind does.
func runHelp(args []string, stdio IO, streams shell.Streams) int {
	switch {
	case len(args) == 0:
		return Main([]string{"--help"}, stdio)
	case args[0] != "version" && shell.Wants(args):
		return shell.Main([]string{args[0], "--help"}, false, streams)
	}
	return Main(append(slices.Clone(args), "--help"), stdio)
}

// printHelp is kong's help, with the shell's commands where all are listed.
func printHelp(o kong.HelpOptions, k *kong.Context) error {
	if err := kong.DefaultHelpPrinter(o, k); err != nil {
		return err
	}
	if k.Selected() != nil {
		return nil
	}
	if _, err := fmt.Fprintf(k.Stdout, "\nquokka shell (or quokka cli) is ZooKeeper's command line client. "+
		"Its commands can also stand right behind quokka; quokka help COMMAND says more.\n\n%s\n", shell.OptionsHelp); err != nil {
		return err
	}
	return shell.WriteCommands(k.Stdout)
}
