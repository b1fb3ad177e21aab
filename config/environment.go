package config

import (
	"slices"
	"strings"
)

// prefix begins the name of every variable that overrides a key.
const prefix = "KAKEHASHI_"

// variable spells the variable that overrides the key at a dotted path:
// database.max_size is KAKEHASHI_DATABASE_MAX_SIZE.
func variable(path string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// variables gives the path of each variable. What stands in lists of sections or under
// free names has none: its path is not fixed.
func variables(fields []field, path string, into map[string]string) {
	for _, f := range fields {
		p := join(path, f.key)
		switch {
		case f.kind.leaf():
			into[variable(p)] = p
		case f.kind == kindSection:
			variables(f.inner, p, into)
		}
	}
}

// override reads the environment, in the form of [os.Environ]. KAKEHASHI_TEST_… is free
// for tests.
func (d *decoder) override(env []string) {
	paths := map[string]string{}
	variables(d.root, "", paths)
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix) || strings.HasPrefix(name, prefix+"TEST_") {
			continue
		}
		path, ok := paths[name]
		if !ok {
			d.complain(place{env: name}, codeUnknownName, "この名前の設定項目はありません。%s", nearVariable(paths, name))
			continue
		}
		d.overrides[path] = override{name, value}
	}
}

func nearVariable(paths map[string]string, name string) string {
	best, least := "", 1+len(name)/4
	names := make([]string, 0, len(paths))
	for known := range paths {
		names = append(names, known)
	}
	slices.Sort(names)
	for _, known := range names {
		if n := edits(name, known); n < least {
			best, least = known, n
		}
	}
	if best == "" {
		return "環境変数を消してください。一覧や自由な名前の下にある項目は、環境変数では変えられません。"
	}
	return "「" + best + "」の書き間違いではありませんか。"
}
