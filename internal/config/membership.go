package config

import (
	"slices"
	"strconv"
	"strings"

	"quokka/internal/core/quorum"
)

// memberPrefixes begin the keys that describe the ensemble.
var memberPrefixes = []string{"server.", "group.", "weight."}

func isMemberKey(key string) bool {
	return slices.ContainsFunc(memberPrefixes, func(p string) bool { return strings.HasPrefix(key, p) })
}

// members builds a Membership from its settings. It returns every error it finds.
func members(settings []setting, multiAddress bool) (quorum.Membership, []error) {
	lines := make([]quorum.Line, 0, len(settings))
	for _, s := range settings {
		lines = append(lines, quorum.Line{Key: s.key, Value: s.value})
	}
	m, failed := quorum.FromLines(lines, multiAddress)
	var errs []error
	for _, e := range failed {
		errs = append(errs, settings[e.Line].fail(e.Want))
	}
	return m, errs
}

// versionOf returns the version at the end of the name of a dynamic file: zoo.cfg.dynamic.100000000 has 0x100000000,
// zoo.cfg.dynamic has 0 (Java QuorumPeerConfig.getVersionFromFilename).
func versionOf(name string) uint64 {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return 0
	}
	version, err := strconv.ParseInt(name[i+1:], 16, 64)
	if err != nil || version < 0 {
		return 0
	}
	return uint64(version)
}
