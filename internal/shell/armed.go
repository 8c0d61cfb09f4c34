package shell

import (
	"sync"

	"quokka/client"
)

// A watchKind is a kind of watch that the shell's user asked for.
type watchKind int

const (
	kindChild watchKind = iota
	kindData            // of get and stat
	kindPersistent
	kindRecursive
)

// removedEvent is the event type that Java's client makes when a watch of a
// kind is removed.
var removedEvent = map[watchKind]string{
	kindChild: "ChildWatchRemoved", kindData: "DataWatchRemoved", kindPersistent: "PersistentWatchRemoved", kindRecursive: "PersistentWatchRemoved",
}

// armed are the watches of a session that have not fired yet. All of them
// are one watcher to the user, as in zkCli.sh: what the server tells once is
// printed once, however many of them it concerns.
type armed struct {
	mu  sync.Mutex
	all map[watchKey][]*client.Watch
}

type watchKey struct {
	path string
	kind watchKind
}

func (a *armed) add(path string, kind watchKind, w *client.Watch) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil {
		a.all = make(map[watchKey][]*client.Watch)
	}
	k := watchKey{path, kind}
	a.all[k] = append(a.all[k], w)
}

// fired forgets the one-shot watches that an event has used up.
func (a *armed) fired(e client.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e.Type != client.EventChildrenChanged {
		delete(a.all, watchKey{e.Path, kindData})
	}
	if e.Type == client.EventChildrenChanged || e.Type == client.EventDeleted {
		delete(a.all, watchKey{e.Path, kindChild})
	}
}

// take closes and forgets the watches of a path. It returns the events of
// their removal.
func (a *armed) take(path string, kinds ...watchKind) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var events []string
	for _, kind := range kinds {
		k := watchKey{path, kind}
		if len(a.all[k]) == 0 {
			continue
		}
		for _, w := range a.all[k] {
			_ = w.Close() // only has the server forget it
		}
		delete(a.all, k)
		if n := len(events); n == 0 || events[n-1] != removedEvent[kind] {
			events = append(events, removedEvent[kind])
		}
	}
	return events
}

// watched keeps a watch that a command has armed.
func (c *Call) watched(path string, kind watchKind, w *client.Watch) {
	if w != nil {
		c.shell.live.armed.add(path, kind, w)
	}
}
