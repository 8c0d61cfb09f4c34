// Package shell is ZooKeeper's command line client: every command of
// zkCli.sh with its options and its output, and what people miss there. One
// file says what a command is (Command), one what it is handed when it runs
// (Call), one lists them all (table.go); each group of commands has its file.
//
// It owns the session it works with. It never writes a credential to a file,
// and what scripts read from zkCli.sh's standard output stays as it is.
package shell

import (
	"slices"
	"strings"
)

// A Command is a row of the table of commands.
type Command struct {
	Name    string
	Aliases []string
	Group   Group
	// Usage is what stands behind the name, letter by letter as in zkCli.sh
	// if the command is from there.
	Usage   string
	Summary string // one line for the list of commands
	// Details and Examples are for help. An example is a command line, with
	// a remark behind " # " if need be.
	Details  string
	Examples []string
	Flags    []Flag
	// OneOf are flags of which at most one may be given, and one must if
	// Required.
	OneOf    []string
	Required bool
	// Args says what the positional arguments are; the last kind goes for
	// all that follow. Min is how many there must be; Max how many there may
	// be, 0 for any number, as zkCli.sh ignores what is too much.
	Args     []Arg
	Min, Max int
	// Foreign commands are not from zkCli.sh.
	Foreign bool
	// Offline commands run without a session.
	Offline bool
	// Patient commands wait until a server is there again, and do not end
	// with an error when no server can be reached for a while.
	Patient bool
	Run     func(*Call) error
}

// A Flag is an option of a command, -Name, or --Name if it is longer than a
// letter.
type Flag struct {
	Name  string
	Value string // what its value is called; "" for a flag that takes none
	Doc   string
	// Choices are the values there are, for completion. The command checks.
	Choices []string
	// Repeat lets the flag be given several times; Call.Values returns all.
	Repeat bool
}

// An Arg is a kind of positional argument, for completion.
type Arg int

// The kinds.
const (
	ArgText    Arg = iota // nothing to complete
	ArgPath               // a node
	ArgFile               // a local file
	ArgCommand            // the name of a command
	ArgOnOff              // on or off
)

// A Group is a heading in the list of commands.
type Group string

// The groups, in the order of the list.
const (
	GroupNodes    Group = "Nodes"
	GroupTrees    Group = "Trees"
	GroupAccess   Group = "Access and quotas"
	GroupWatches  Group = "Watches"
	GroupEnsemble Group = "Ensemble"
	GroupSession  Group = "Session and shell"
)

var groups = []Group{GroupNodes, GroupTrees, GroupAccess, GroupWatches, GroupEnsemble, GroupSession}

// outputFlag and helpFlag are flags of every command.
var (
	outputFlag = Flag{Name: "o", Value: "format", Doc: "text or json", Choices: []string{"text", "json"}}
	helpFlag   = Flag{Name: "help", Doc: "show this help"}
)

// all returns the flags of a command with those that every command has.
func (c *Command) all() []Flag {
	return append(slices.Clip(c.Flags), outputFlag, helpFlag)
}

// flag returns a flag by its name.
func (c *Command) flag(name string) (Flag, bool) {
	all := c.all()
	i := slices.IndexFunc(all, func(f Flag) bool { return f.Name == name })
	if i < 0 {
		return Flag{}, false
	}
	return all[i], true
}

// usage returns the command's line of usage as zkCli.sh prints it.
func (c *Command) usage() string { return c.Name + " " + c.Usage }

// arg returns the kind of a positional argument.
func (c *Command) arg(i int) Arg {
	if len(c.Args) == 0 {
		return ArgText
	}
	return c.Args[min(i, len(c.Args)-1)]
}

// find returns a command by name or alias. Names are told apart by case, as
// in zkCli.sh.
func find(name string) *Command {
	for _, c := range Commands() {
		if c.Name == name || slices.Contains(c.Aliases, name) {
			return c
		}
	}
	return nil
}

// similar returns the name of a command that somebody may have meant, or "".
func similar(name string) string {
	best, least := "", max(len(name)/3, 1)+1
	for _, c := range Commands() {
		for _, n := range append([]string{c.Name}, c.Aliases...) {
			if d := distance(strings.ToLower(name), strings.ToLower(n)); d < least {
				best, least = n, d
			}
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace or swap between two
// words.
func distance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		for j := range d[i] {
			switch {
			case i == 0 || j == 0:
				d[i][j] = i + j
			case a[i-1] == b[j-1]:
				d[i][j] = d[i-1][j-1]
			case i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1]:
				d[i][j] = 1 + min(d[i-2][j-2], d[i-1][j-1], d[i-1][j], d[i][j-1])
			default:
				d[i][j] = 1 + min(d[i-1][j-1], d[i-1][j], d[i][j-1])
			}
		}
	}
	return d[len(a)][len(b)]
}
