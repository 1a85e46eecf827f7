package families

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Labels that every series has.
const (
	sourceLabel = "source"
	targetLabel = "target"
)

// alone is the value of the label that a tag without colon becomes.
const alone = "true"

// reserved are the label names that no tag may have: those that every series has, and those by which
// histograms and summaries tell their parts apart.
var reserved = []string{sourceLabel, targetLabel, "le", "quantile"}

// label is a name and a value.
type label struct{ name, value string }

// Check refuses tags of a target that do not become labels, one each. A tag is "key:value", and a tag
// without colon is a key with the value "true". The label's name is the key with "_" for each character
// that is no ASCII letter, digit or "_", and with "_" before a digit. It must be none of the reserved
// ones nor of also, must not begin with "__", and no two may be the same. The error names the tags.
func Check(tags []string, also ...string) error {
	byName := map[string]string{}
	for _, tag := range tags {
		name := labelOf(tag).name
		if isReserved(name, also) {
			return fmt.Errorf("tag %q would be the label %s, which is reserved", tag, name)
		}
		if other, taken := byName[name]; taken {
			return fmt.Errorf("tags %q and %q would both be the label %s", other, tag, name)
		}
		byName[name] = tag
	}
	return nil
}

func isReserved(name string, also []string) bool {
	return slices.Contains(reserved, name) || slices.Contains(also, name) || strings.HasPrefix(name, "__")
}

func labelOf(tag string) label {
	key, value, found := strings.Cut(tag, ":")
	if !found {
		value = alone
	}
	return label{sanitise(key), text(value)}
}

func sanitise(key string) string {
	name := strings.Map(func(r rune) rune {
		if r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, key)
	if name == "" || '0' <= name[0] && name[0] <= '9' {
		name = "_" + name
	}
	return name
}

// text makes valid UTF-8 of what came over the network.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// labelsOf gives the labels of tags, of which the first two are source: and target:, sorted by name. The
// tags of other hosts were not checked: a reserved name gets "tag_" before it, and the values of those
// with the same name are joined, in the order of the tags. It counts both.
func labelsOf(tags, also []string) (labels []label, collisions int) {
	for i, tag := range tags {
		l := labelOf(tag)
		if i >= 2 && isReserved(l.name, also) {
			l.name = "tag_" + l.name
			collisions++
		}
		if j := slices.IndexFunc(labels, func(o label) bool { return o.name == l.name }); j >= 0 {
			labels[j].value += "," + l.value
			collisions++
			continue
		}
		labels = append(labels, l)
	}
	slices.SortFunc(labels, func(a, b label) int { return cmp.Compare(a.name, b.name) })
	// To Prometheus a label without value is no label.
	return slices.DeleteFunc(labels, func(l label) bool { return l.value == "" }), collisions
}

// Labels are the labels of a series with these tags, see Config.Reserved.
func Labels(tags, also []string) map[string]string {
	labels, _ := labelsOf(tags, also)
	return byName(labels)
}

func byName(labels []label) map[string]string {
	m := make(map[string]string, len(labels))
	for _, l := range labels {
		m[l.name] = l.value
	}
	return m
}

// key is the same for the same labels only.
func key(labels []label) string {
	var b strings.Builder
	for _, l := range labels {
		fmt.Fprintf(&b, "%s=%q,", l.name, l.value)
	}
	return b.String()
}
