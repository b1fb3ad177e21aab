package config

import (
	"fmt"
	"io"
	"os"
	"reflect"

	"kakehashi/internal/fault"
)

// Load reads the file at path, and over it the environment, in the form of [os.Environ].
// The File is nil where there is any problem; all of them are told, in the order of the
// file. Relative paths in the file have become absolute: they count from its folder.
func Load(path string, env []string) (*File, []Problem) {
	f := &File{}
	if problems := load(f, path, env); len(problems) > 0 {
		return nil, problems
	}
	return f, nil
}

// load fills target, a pointer to a struct with config tags.
func load(target any, path string, env []string) []Problem { return decode(target, path, env).problems }

// decode is load that also gives what it knows: where everything stands.
func decode(target any, path string, env []string) *decoder {
	v := reflect.ValueOf(target).Elem()
	fields, err := describe(v.Type())
	d := newDecoder(path, fields)
	if err != nil {
		d.complain(place{line: 1, column: 1}, codeDeclared, "%v", err)
		return d
	}
	content, err := readFile(path)
	if err != nil {
		d.complain(place{line: 1, column: 1}, codeUnreadable, "%v", err)
		return d
	}
	d.override(env)
	if root := d.document(content); root != nil {
		d.section(v, fields, root, "", place{line: 1, column: 1})
		d.validate(v, fields, "")
	}
	sortProblems(d.problems)
	return d
}

// readFile reads a file of a bounded size. Its errors are Japanese and name no path: the
// problem does.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	switch {
	case os.IsNotExist(err):
		return nil, fmt.Errorf("設定ファイルがありません。場所を確かめるか、kakehashi init で作ってください")
	case os.IsPermission(err):
		return nil, fmt.Errorf("設定ファイルを読む権限がありません。持ち主と権限を確かめてください")
	case err != nil:
		return nil, fmt.Errorf("設定ファイルを開けません。場所を確かめてください")
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, mostBytes+1))
	if err != nil {
		return nil, fmt.Errorf("設定ファイルを読めません。ファイルであることを確かめてください")
	}
	if len(content) > mostBytes {
		return nil, fmt.Errorf("設定ファイルが 1MiB を超えています。設定ファイルであることを確かめてください")
	}
	return content, nil
}

// Refuse makes one error of problems, Invalid, for whoever cannot show them one by one;
// nil where there is none.
func Refuse(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	more := ""
	if n := len(problems) - 1; n > 0 {
		more = fmt.Sprintf("（ほか %d 件）", n)
	}
	return fault.New(fault.Invalid, "%s%s", problems[0], more).WithCode("KKH0110")
}
