package web

import (
	"strconv"
	"strings"
)

// block is a part of a page of the manual, ready for a template. The manual is ours, so the
// small part of Markdown that it uses is read here; whatever else stands there is shown as
// it is written.
type block struct {
	Kind  string // h2, h3, p, ul, ol, pre, table
	Spans []span
	Items [][]span   // of ul and ol
	Rows  [][][]span // of table; the first is its head
	Text  string     // of pre
	Start int        // of ol: the number of its first item
}

// span is a piece of a line.
type span struct {
	Kind string // text, code, strong, link
	Text string
	Href string
}

// readMarkdown makes blocks of a page. Its first heading is left out: it is the title.
func readMarkdown(text string) []block {
	var blocks []block
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); {
		line := strings.TrimSpace(lines[i])
		var b block
		switch {
		case line == "" || strings.HasPrefix(line, "# ") || strings.HasPrefix(line, "<!--"):
			i++
			continue
		case strings.HasPrefix(line, "```"):
			b, i = readFence(lines, i)
		case strings.HasPrefix(line, "#"):
			kind := "h3"
			if strings.HasPrefix(line, "## ") {
				kind = "h2"
			}
			b, i = block{Kind: kind, Spans: readSpans(strings.TrimSpace(strings.TrimLeft(line, "#")))}, i+1
		case listMark(line) != "":
			b, i = readList(lines, i)
		case strings.HasPrefix(line, "|"):
			b, i = readTable(lines, i)
		default:
			b, i = readParagraph(lines, i)
		}
		blocks = append(blocks, b)
	}
	return blocks
}

func readFence(lines []string, i int) (block, int) {
	indent := lines[i][:len(lines[i])-len(strings.TrimLeft(lines[i], " "))]
	var body []string
	for i++; i < len(lines) && !strings.HasPrefix(strings.TrimSpace(lines[i]), "```"); i++ {
		body = append(body, strings.TrimPrefix(lines[i], indent))
	}
	return block{Kind: "pre", Text: strings.Join(body, "\n")}, i + 1
}

// listMark gives the kind of list that a line is an item of: ul, ol, or "".
func listMark(line string) string {
	if strings.HasPrefix(line, "- ") || strings.HasPrefix(line, "* ") {
		return "ul"
	}
	number, _, found := strings.Cut(line, ". ")
	if found && number != "" && len(number) <= 2 && strings.Trim(number, "0123456789") == "" {
		return "ol"
	}
	return ""
}

func readList(lines []string, i int) (block, int) {
	b := block{Kind: listMark(strings.TrimSpace(lines[i]))}
	number, _, _ := strings.Cut(strings.TrimSpace(lines[i]), ". ")
	b.Start, _ = strconv.Atoi(number) // 0 for a list without numbers
	var items []string
	for ; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		mark := listMark(line)
		indented := line != "" && lines[i] != strings.TrimLeft(lines[i], " ")
		if mark != "" && mark != b.Kind || mark == "" && !indented {
			break
		}
		if mark != "" {
			_, rest, _ := strings.Cut(line, " ")
			items = append(items, rest)
		} else {
			items[len(items)-1] += " " + line // goes on, indented
		}
	}
	for _, item := range items {
		b.Items = append(b.Items, readSpans(item))
	}
	return b, i
}

func readTable(lines []string, i int) (block, int) {
	b := block{Kind: "table"}
	for ; i < len(lines) && strings.HasPrefix(strings.TrimSpace(lines[i]), "|"); i++ {
		line := strings.Trim(strings.TrimSpace(lines[i]), "|")
		if strings.Trim(line, "|-: ") == "" {
			continue // the rule below the head
		}
		var row [][]span
		for cell := range strings.SplitSeq(line, "|") {
			row = append(row, readSpans(strings.TrimSpace(cell)))
		}
		b.Rows = append(b.Rows, row)
	}
	return b, i
}

func readParagraph(lines []string, i int) (block, int) {
	var body strings.Builder
	for ; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "```") || strings.HasPrefix(line, "|") ||
			listMark(line) != "" {
			break
		}
		body.WriteString(strings.TrimPrefix(line, "> "))
	}
	return block{Kind: "p", Spans: readSpans(body.String())}, i
}

// readSpans reads `code`, **strong** and [text](address) in a line.
func readSpans(line string) []span {
	var spans []span
	text := func(s string) {
		if s != "" {
			spans = append(spans, span{Kind: "text", Text: s})
		}
	}
	for line != "" {
		at := strings.IndexAny(line, "`*[")
		if at < 0 {
			break
		}
		s, rest, ok := readSpan(line[at:])
		if !ok {
			text(line[:at+1])
			line = line[at+1:]
			continue
		}
		text(line[:at])
		spans = append(spans, s)
		line = rest
	}
	text(line)
	return spans
}

// readSpan reads the marked piece with which the line begins.
func readSpan(line string) (s span, rest string, ok bool) {
	for mark, kind := range map[string]string{"`": "code", "**": "strong"} {
		if after, begins := strings.CutPrefix(line, mark); begins {
			if inner, rest, ends := strings.Cut(after, mark); ends && inner != "" {
				return span{Kind: kind, Text: inner}, rest, true
			}
		}
	}
	label, after, isLink := strings.Cut(strings.TrimPrefix(line, "["), "](")
	href, rest, ends := strings.Cut(after, ")")
	if !strings.HasPrefix(line, "[") || !isLink || !ends {
		return span{}, "", false
	}
	if address := helpAddress(href); address != "" {
		return span{Kind: "link", Text: label, Href: address}, rest, true
	}
	return span{Kind: "text", Text: label}, rest, true
}

// helpAddress gives the address of a link of the manual; "" for one that leads out of the
// gateway, since a page of ours calls no other site.
func helpAddress(href string) string {
	if strings.HasPrefix(href, "/") && !strings.HasPrefix(href, "//") {
		return href
	}
	return ""
}
