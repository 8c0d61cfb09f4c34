package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"quokka/internal/disk/vfs"
	"quokka/internal/offline"
)

// Exit codes of the offline commands, as of grep and diff: 1 says something
// about the data, 2 that there is no answer.
const (
	exitFound    = 1 // damage, a difference, no such node
	exitNoAnswer = 2
)

// offlineFailure is an error with the exit code of an offline command.
type offlineFailure struct {
	error
	code int
}

// ExitCode tells the code.
func (f *offlineFailure) ExitCode() int { return f.code }

// Unwrap returns the cause.
func (f *offlineFailure) Unwrap() error { return f.error }

func offlineError(err error) error {
	if err == nil {
		return nil
	}
	code := exitNoAnswer
	_, noNode := errors.AsType[*offline.NoNodeError](err)
	if noNode || errors.Is(err, offline.ErrDamaged) || errors.Is(err, offline.ErrDifferent) {
		code = exitFound
	}
	return &offlineFailure{err, code}
}

// javaScript is one of Java's scripts for files, which the program is when it
// is called by that name.
type javaScript struct {
	usage string
	run   func(args []string, stdio IO) error
}

// javaScripts are Java's names. Their exit codes are 0, or as of the commands.
var javaScripts = map[string]javaScript{
	"zkTxnLogToolkit.sh":                   {"[-dhvry] <txn_log_file_name> (-c -z <zxid>)", txnLogToolkit},
	"zkSnapShotToolkit.sh":                 {"[-d|-json] snapshot_file", snapShotToolkit},
	"zkSnapshotComparer.sh":                {"-l <left> -r <right> -b <bytes> -n <nodes> [-d] [-i]", snapshotComparer},
	"zkSnapshotRecursiveSummaryToolkit.sh": {"<snapshot_file> <starting_node> <max_depth>", recursiveSummary},
}

// errUsage says that a script was called with wrong arguments.
var errUsage = errors.New("wrong arguments")

// offlineByName runs the program under the name of one of Java's scripts, with
// the script's own options.
func offlineByName(args []string, stdio IO) (code int, ok bool) {
	name := strings.TrimSuffix(filepath.Base(stdio.Name), ".sh") + ".sh"
	script, ok := javaScripts[name]
	if !ok {
		return 0, false
	}
	if slices.Contains(args, "-h") || slices.Contains(args, "--help") {
		fmt.Fprintf(stdio.Out, "USAGE: %s %s\n", name, script.usage)
		return 0, true
	}
	err := script.run(args, stdio)
	switch {
	case err == nil || errors.Is(err, offline.ErrDifferent): // Java's comparer has no code for it
		return 0, true
	case errors.Is(err, errUsage):
		fmt.Fprintf(stdio.Err, "%v\nUSAGE: %s %s\n", err, name, script.usage)
		return exitNoAnswer, true
	}
	fmt.Fprintln(stdio.Err, "quokka:", err)
	var coder exitCoder
	if errors.As(offlineError(err), &coder) {
		return coder.ExitCode(), true
	}
	return 1, true
}

// javaFlags parses options as Apache Commons CLI takes them. spec has the
// letter of each option with its long name; a name that ends in = has a value.
func javaFlags(args []string, spec map[string]string) (flags map[string]string, rest []string, err error) {
	flags = map[string]string{}
	for i := 0; i < len(args); i++ {
		name := strings.TrimLeft(args[i], "-")
		if name == args[i] || name == "" {
			rest = append(rest, args[i])
			continue
		}
		name, value, inline := strings.Cut(name, "=")
		letter, hasValue := "", false
		for l, long := range spec {
			bare, valued := strings.CutSuffix(long, "=")
			if name == l || name == bare {
				letter, hasValue = l, valued
			}
		}
		switch {
		case letter == "":
			return nil, nil, fmt.Errorf("%w: there is no option %s", errUsage, args[i])
		case hasValue && !inline:
			if i++; i == len(args) {
				return nil, nil, fmt.Errorf("%w: %s needs a value", errUsage, args[i-1])
			}
			value = args[i]
		}
		flags[letter] = value
	}
	return flags, rest, nil
}

// txnLogToolkit prints. -r copies the log to <file>.fixed as Java does, but a
// record whose checksum is wrong is left out, never made to look right; it asks
// nothing, so that -y is always meant. -c copies up to a zxid.
func txnLogToolkit(args []string, stdio IO) error {
	flags, rest, err := javaFlags(args, map[string]string{
		"r": "recover", "v": "verbose", "d": "dump", "y": "yes", "c": "chop", "z": "zxid=",
	})
	if err != nil || len(rest) != 1 {
		return errors.Join(errUsage, err)
	}
	fsys := vfs.OS{}
	_, chop := flags["c"]
	if _, ok := flags["z"]; chop && ok {
		zxid, err := offline.ParseZxid(flags["z"])
		if err != nil {
			return errors.Join(errUsage, err)
		}
		return offline.Chop(fsys, rest[0], rest[0]+".chopped"+strconv.FormatInt(int64(zxid), 10), zxid, stdio.Out)
	}
	if _, ok := flags["r"]; ok {
		return offline.Repair(fsys, rest[0], rest[0]+".fixed", offline.Skip, stdio.Out)
	}
	files, err := offline.LogFiles(fsys, rest)
	if err != nil {
		return err
	}
	return offline.PrintLogs(fsys, files, offline.PrintOptions{}, stdio.Out, stdio.Err)
}

func snapShotToolkit(args []string, stdio IO) error {
	flags, rest, err := javaFlags(args, map[string]string{"d": "d", "json": "json"})
	if err != nil || len(rest) != 1 {
		return errors.Join(errUsage, err)
	}
	_, data := flags["d"]
	format := offline.SnapshotText
	if _, ok := flags["json"]; ok {
		if data {
			return fmt.Errorf("%w: cannot specify both data dump (-d) and json mode (-json)", errUsage)
		}
		format = offline.SnapshotNcdu
	}
	return offline.PrintSnapshot(vfs.OS{}, rest[0], format, data, stdio.Out, stdio.Err)
}

func snapshotComparer(args []string, stdio IO) error {
	flags, rest, err := javaFlags(args, map[string]string{
		"l": "left=", "r": "right=", "b": "bytes=", "n": "nodes=", "d": "debug", "i": "interactive",
	})
	if err != nil || len(rest) > 0 {
		return errors.Join(errUsage, err)
	}
	o := offline.CompareOptions{Layers: true}
	_, o.Debug = flags["d"]
	if _, ok := flags["i"]; ok {
		o.Ask = stdio.In
	}
	for _, n := range []struct {
		flag string
		into *int64
	}{{"b", &o.Bytes}, {"n", &o.Nodes}} {
		if *n.into, err = strconv.ParseInt(flags[n.flag], 10, 64); err != nil {
			return fmt.Errorf("%w: -%s must be a number", errUsage, n.flag)
		}
	}
	if flags["l"] == "" || flags["r"] == "" {
		return fmt.Errorf("%w: -l and -r are required", errUsage)
	}
	return offline.CompareSnapshots(vfs.OS{}, flags["l"], flags["r"], o, stdio.Out, stdio.Err)
}

func recursiveSummary(args []string, stdio IO) error {
	if len(args) != 3 {
		return errUsage
	}
	depth, err := strconv.Atoi(args[2])
	if err != nil || depth < 0 {
		return fmt.Errorf("%w: max_depth must be a number, 0 or more", errUsage)
	}
	return summarize(stdio, args[0], offline.SummaryOptions{Path: args[1], Depth: depth, ByName: true})
}
