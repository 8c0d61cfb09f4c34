package shell

import (
	"fmt"
	"io"
	"strings"

	"quokka/client"
)

// watchCommands are about being told of changes.
func watchCommands() []*Command {
	return []*Command{addWatchCommand, removewatchesCommand, printwatchesCommand}
}

const (
	modePersistent = "PERSISTENT"
	modeRecursive  = "PERSISTENT_RECURSIVE"
)

var addWatchCommand = &Command{
	Name: "addWatch", Group: GroupWatches, Summary: "Watch a node, or a subtree, until removewatches.",
	Usage: "[-m mode] path # optional mode is one of [PERSISTENT, PERSISTENT_RECURSIVE] - default is PERSISTENT_RECURSIVE",
	Flags: []Flag{{Name: "m", Value: "mode", Doc: "PERSISTENT (a node and the list of its children) or PERSISTENT_RECURSIVE (all below it)",
		Choices: []string{modePersistent, modeRecursive}}},
	Args: []Arg{ArgPath}, Min: 1,
	Run: runAddWatch,
}

func runAddWatch(c *Call) error {
	if len(c.Args) != 1 {
		return &usageError{command: c.Command}
	}
	path, kind, add := c.Path(0), kindRecursive, c.Client.WatchTree
	switch strings.ToUpper(c.Value("m")) {
	case "", modeRecursive:
	case modePersistent:
		kind, add = kindPersistent, c.Client.Watch
	default:
		return &usageError{command: c.Command}
	}
	w, err := add(c.Context, path)
	if err != nil {
		return err
	}
	c.watched(path, kind, w)
	return c.Done(pathAnswer{Path: path})
}

var removewatchesCommand = &Command{
	Name: "removewatches", Group: GroupWatches, Usage: "path [-c|-d|-a] [-l]", Summary: "Remove this session's watches of a node.",
	Flags: []Flag{
		{Name: "c", Doc: "those of ls"}, {Name: "d", Doc: "those of get and stat"}, {Name: "p", Doc: "those of addWatch -m PERSISTENT"},
		{Name: "r", Doc: "those of addWatch -m PERSISTENT_RECURSIVE"}, {Name: "a", Doc: "all, as without any of these"},
		{Name: "l", Doc: "even if no server can be told"},
	},
	Args: []Arg{ArgPath}, Min: 1,
	Run: runRemovewatches,
}

func runRemovewatches(c *Call) error {
	path := c.Path(0)
	kinds, typ := []watchKind{kindChild, kindData, kindPersistent, kindRecursive}, client.AnyWatches
	switch {
	case c.Has("c"):
		kinds, typ = kinds[:1], client.ChildWatches
	case c.Has("d"):
		kinds, typ = kinds[1:2], client.DataWatches
	case c.Has("p"):
		kinds, typ = kinds[2:3], 0
	case c.Has("r"):
		kinds, typ = kinds[3:], 0
	}
	if typ != 0 {
		err := c.Client.RemoveWatches(c.Context, path, typ)
		lost := codeOf(err) == client.ErrConnectionLoss || c.shell.lost(c)
		if err != nil && (!c.Has("l") || !lost) {
			return err
		}
	}
	// Servers before 3.9 do not know the types of -p and -r. Closing the
	// watches removes them there too.
	events := c.shell.live.armed.take(path, kinds...)
	if typ == 0 && len(events) == 0 {
		return &client.Error{Op: "removeWatches", Path: path, Code: client.ErrNoWatcher}
	}
	for _, e := range events {
		c.shell.printEvent(c.shell.live.state(), e, path, -1)
	}
	return c.Done(pathAnswer{Path: path})
}

var printwatchesCommand = &Command{
	Name: "printwatches", Group: GroupWatches, Usage: "on|off", Summary: "Say whether events are printed, or switch that.",
	Args: []Arg{ArgOnOff}, Offline: true,
	Run: runPrintwatches,
}

func runPrintwatches(c *Call) error {
	if len(c.Args) > 0 {
		c.shell.events.Store(c.Args[0] == "on")
		return c.Done(c.shell.watchesPrinted())
	}
	return c.Result(c.shell.watchesPrinted(), func(w io.Writer) error {
		text := "off"
		if c.shell.events.Load() {
			text = "on"
		}
		_, err := fmt.Fprintln(w, "printwatches is", text)
		return err
	})
}

func (s *Shell) watchesPrinted() any {
	return struct {
		On bool `json:"printwatches"`
	}{s.events.Load()}
}
