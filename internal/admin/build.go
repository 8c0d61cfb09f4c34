package admin

import (
	"os"
	"runtime/debug"
	"time"
)

// Release is the release of Apache ZooKeeper whose behaviour and formats this server has. Clients and scrapers read it
// from the version line and choose what to ask for by it.
const Release = "3.9.5"

// Build says which program this is.
type Build struct {
	Revision string    // of the source, up to 12 hexadecimal digits; empty if the build did not record one
	Time     time.Time // of that revision, or of the program file; zero if neither is known
}

// ReadBuild returns the build of the running program.
func ReadBuild() Build {
	var b Build
	if info, ok := debug.ReadBuildInfo(); ok {
		b = buildOf(info.Settings)
	}
	if b.Time.IsZero() {
		b.Time = programTime()
	}
	return b
}

func buildOf(settings []debug.BuildSetting) Build {
	var b Build
	for _, s := range settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value[:min(len(s.Value), 12)]
		case "vcs.time":
			if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
				b.Time = t
			}
		}
	}
	return b
}

func programTime() time.Time {
	path, err := os.Executable()
	if err != nil {
		return time.Time{}
	}
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// String prints the build as Java's Version.getFullVersion does: release, revision, date in UTC. The part before the
// comma has no spaces.
func (b Build) String() string {
	text := Release + "-quokka"
	if b.Revision != "" {
		text += "-" + b.Revision
	}
	return text + ", built on " + b.Time.UTC().Format("2006-01-02 15:04 UTC")
}
