// Package arch holds the rules of the house and checks them as tests: who
// may import whom, what the pure core must not use, who may flush a disk,
// and how long a function may be.
//
// It contains no code that runs in the product.
package arch

// Rules says who may import whom. "a, b < c" lets c import a, b and
// whatever those may import. Packages are named by their last element under
// internal/. A package without a line may import nothing of the project, and
// one that is missing here fails the test.
const Rules = `
NONE < jute, vfs, metrics, fifo, transcript, local;
jute < proto;
proto < quorum, tree, watch, session, auth;
NONE < frame;
proto, vfs < txnlog;
quorum < elect, zab, config;
tree, session, vfs < snap;
quorum, tree, watch, session < state;
elect, zab, state, fifo < member;
txnlog, snap, state < store;
quorum, vfs < conf;
zab, store, conf < journal;
quorum, frame < peers;
metrics, proto < admin;
frame, proto, metrics, fifo < clients;
member, journal, metrics < node;
zab, state < check;
member, journal, check < sim;
node, clients, peers, admin, auth, config < server;
jute, proto, frame < client;
client < recipe;
proto < render;
client < subtree;
render, client, quorum, admin, subtree < shell;
store, config, render < offline;
server, config, sim, local, shell, offline < cli;
server, config, client, local < quokkatest;
`

// Floors maps a package's name in Rules to its folder under internal/.
var Floors = map[string]string{
	"jute": "jute", "proto": "proto", "metrics": "metrics", "config": "config", "auth": "auth", "fifo": "fifo", "transcript": "transcript", "local": "local",
	"quorum": "core/quorum", "elect": "core/elect", "zab": "core/zab", "tree": "core/tree", "watch": "core/watch",
	"session": "core/session", "state": "core/state", "member": "core/member",
	"vfs": "disk/vfs", "txnlog": "disk/txnlog", "snap": "disk/snap", "store": "disk/store", "conf": "disk/conf",
	"frame": "net/frame", "clients": "net/clients", "peers": "net/peers",
	"journal": "journal", "node": "node", "sim": "sim", "render": "render", "shell": "shell", "offline": "offline", "check": "sim/check", "admin": "admin", "server": "server", "cli": "cli",
	"subtree": "subtree",
}

// Outside are the packages that other people's programs import.
var Outside = map[string]string{"client": "client", "recipe": "recipe", "quokkatest": "quokkatest"}

// Forbidden says why an import that the floors would allow is none.
var Forbidden = map[[2]string]string{
	{"clients", "node"}:  "the client port declares the interface it needs, and server plugs the node in",
	{"clients", "state"}: "the client port knows no operation's meaning",
	{"store", "member"}:  "a disk does not know who drives it",
	{"node", "clients"}:  "the node declares the interface of a connection it needs",
	{"admin", "node"}:    "the words get their values through admin.Source",
}

// Impure are imports that packages under core/ must not have: they are pure
// state machines, told what time it is and what is durable.
var Impure = []string{
	"os", "net", "sync", "sync/atomic", "time", "context", "log", "log/slog", "io", "math/rand", "math/rand/v2",
	"crypto/rand", "runtime", "os/exec", "syscall",
}

// MaxFunction is the most lines a function may have. It is only ever made
// smaller.
const MaxFunction = 70

// MaxTestFunction is the same for tests, whose tables make them longer.
const MaxTestFunction = 100
