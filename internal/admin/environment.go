package admin

import (
	"math"
	"os"
	"os/user"
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"strconv"
	"strings"
)

// unknown stands for a value that the system does not tell, as in Java's Environment.
const unknown = "<NA>"

// envi prints the environment of the process: the keys of Java's Environment whose meaning this process has, and
// go.version. Java's java.* keys name things that do not exist here and are left out.
func (w *Words) envi(p *printer, _ []byte) {
	p.line("Environment:")
	p.line("zookeeper.version=", w.version)
	host, err := os.Hostname()
	p.line("host.name=", orUnknown(host, err))
	p.line("go.version=", runtime.Version())
	p.line("os.name=", osName())
	p.line("os.arch=", osArch())
	p.line("os.version=", osVersion())
	name, home := userNames()
	p.line("user.name=", name)
	p.line("user.home=", home)
	dir, err := os.Getwd()
	p.line("user.dir=", orUnknown(dir, err))
	memory(p)
}

func orUnknown(s string, err error) string {
	if err != nil || s == "" {
		return unknown
	}
	return s
}

// osName spells the system as Java's os.name does.
func osName() string {
	switch runtime.GOOS {
	case "linux":
		return "Linux"
	case "darwin":
		return "Mac OS X"
	case "windows":
		return "Windows"
	case "freebsd":
		return "FreeBSD"
	}
	return runtime.GOOS
}

// osArch spells the processor as Java's os.arch does.
func osArch() string {
	if runtime.GOARCH == "arm64" {
		return "aarch64"
	}
	return runtime.GOARCH
}

func osVersion() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease") // Linux only
	return orUnknown(strings.TrimSpace(string(release)), err)
}

func userNames() (name, home string) {
	u, err := user.Current()
	if err != nil {
		home, err = os.UserHomeDir()
		return unknown, orUnknown(home, err)
	}
	return orUnknown(u.Username, nil), orUnknown(u.HomeDir, nil)
}

// memory prints what the process has from the system, how much of that holds nothing, and the limit, where one is set
// (GOMEMLIMIT). Java prints the same of its heap.
func memory(p *printer) {
	samples := []runtimemetrics.Sample{
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	runtimemetrics.Read(samples)
	value := func(i int) int64 {
		if samples[i].Value.Kind() != runtimemetrics.KindUint64 {
			return 0
		}
		return int64(samples[i].Value.Uint64())
	}
	megabytes := func(n int64) string { return strconv.FormatInt(n>>20, 10) + "MB" }
	p.line("os.memory.free=", megabytes(value(0)+value(1)))
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		p.line("os.memory.max=", megabytes(limit))
	}
	p.line("os.memory.total=", megabytes(value(2)-value(3)))
}
