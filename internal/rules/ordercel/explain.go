package ordercel

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/parser"
)

var (
	noOverload = regexp.MustCompile(
		`^found no matching overload for '([^']*)' applied to '(.*)'$`,
	)
	undefinedField = regexp.MustCompile(`^undefined field '([^']*)'`)
	undeclared     = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	syntaxError    = regexp.MustCompile(`^Syntax error: (.*)$`)
	operatorNames  = map[string]string{
		"_==_":  "==",
		"_!=_":  "!=",
		"_<_":   "<",
		"_<=_":  "<=",
		"_>_":   ">",
		"_>=_":  ">=",
		"_+_":   "+",
		"_-_":   "-",
		"_*_":   "*",
		"_/_":   "/",
		"_%_":   "%",
		"_&&_":  "&&",
		"_||_":  "||",
		"!_":    "!",
		"-_":    "-",
		"_?_:_": "?:",
		"@in":   "in",
		"_[_]":  "[]",
	}
	orderVariables  = []string{varNow, varOrder, varParams, varTables}
	maxProblemText  = 60
	maxSuggestEdits = 3
)

// explainAll turns CEL's issues into problems that say what to write instead.
func (c *compilation) explainAll(issues *cel.Issues) {
	for _, e := range issues.Errors() {
		c.explain(e)
	}
}

func (c *compilation) explain(e *cel.Error) {
	at := e.Location
	if m := noOverload.FindStringSubmatch(e.Message); m != nil {
		c.explainOverload(e, m[1], splitTypes(m[2]))
		return
	}
	if m := undefinedField.FindStringSubmatch(e.Message); m != nil {
		c.explainField(e, m[1])
		return
	}
	if m := undeclared.FindStringSubmatch(e.Message); m != nil {
		c.explainName(e, m[1])
		return
	}
	message := e.Message
	text := c.wordAt(at)
	if m := syntaxError.FindStringSubmatch(message); m != nil {
		reason, _, _ := strings.Cut(m[1], " expecting ")
		message = "cannot be read: " + reason
		if strings.Contains(reason, "'<EOF>'") {
			message = "ends too early: something is missing, such as a closing bracket or quote"
			text = strings.TrimSpace(string(c.source))
		}
	}
	c.reportAt(at, text, message)
}

func (c *compilation) explainName(e *cel.Error, name string) {
	var message string
	switch name {
	case varLine:
		message = "line is known only in a rule of scope line"
	case "double", "float":
		message = "there are no floats here: amounts are decimals, write dec('0.01')"
	default:
		known := orderVariables
		if c.scope == LineScope {
			known = append([]string{varLine}, known...)
		}
		names := slices.Clone(known)
		for _, f := range functions {
			names = append(names, f.Name)
		}
		message = fmt.Sprintf("unknown name%s; there are %s, and functions", Suggestion(name, names),
			strings.Join(known, ", "))
	}
	at := e.Location
	// CEL points at the bracket of a call.
	if i := c.offset(at); i >= 0 && i < len(c.source) && c.source[i] == '(' {
		at = common.NewLocation(at.Line(), max(at.Column()-len([]rune(name)), 0))
	}
	c.reportAt(at, name, message)
}

func (c *compilation) explainField(e *cel.Error, name string) {
	of, names := "", []string(nil)
	if operand := c.operandType(e.ExprID); operand != nil {
		of, names = " of "+operand.cel.TypeName(), operand.names
	}
	at := e.Location
	// CEL points at the dot.
	if i := c.offset(at); i >= 0 && i < len(c.source) && c.source[i] == '.' {
		at = common.NewLocation(at.Line(), at.Column()+1)
	}
	c.reportAt(at, name, fmt.Sprintf("unknown field%s%s", of, Suggestion(name, names)))
}

// operandType returns the type that a field is selected from. It follows the path from its
// variable.
func (c *compilation) operandType(id int64) *objectType {
	var found *objectType
	ast.PreOrderVisit(c.ast.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.ID() == id && e.Kind() == ast.SelectKind {
			if t := c.pathType(e.AsSelect().Operand(), 0); t != nil {
				found = c.model.objects[t.TypeName()]
			}
		}
	}))
	return found
}

// pathType returns the type of a variable, a field or an element, as far as it is known without the
// type checker, which returns no types for an expression with faults.
func (c *compilation) pathType(e ast.Expr, depth int) *types.Type {
	if depth > maxDepth {
		return nil
	}
	switch e.Kind() {
	case ast.IdentKind:
		switch name := e.AsIdent(); name {
		case varOrder:
			return orderType.cel
		case varLine:
			return lineType.cel
		case varParams:
			return c.model.objects[paramsTypeName].cel
		case varTables:
			return c.model.objects[tablesTypeName].cel
		default:
			return c.loopVariableType(name, depth)
		}
	case ast.SelectKind:
		of := c.pathType(e.AsSelect().Operand(), depth+1)
		if of == nil || c.model.objects[of.TypeName()] == nil {
			return nil
		}
		if f, found := c.model.objects[of.TypeName()].fields[e.AsSelect().FieldName()]; found {
			return f.cel
		}
	case ast.CallKind:
		if call := e.AsCall(); call.FunctionName() == "_[_]" {
			return elementType(c.pathType(call.Args()[0], depth+1))
		}
	}
	return nil
}

// loopVariableType returns the type of the variable of a loop.
func (c *compilation) loopVariableType(name string, depth int) *types.Type {
	var found *types.Type
	ast.PreOrderVisit(c.ast.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.ComprehensionKind && e.AsComprehension().IterVar() == name && found == nil {
			if over := c.pathType(e.AsComprehension().IterRange(), depth+1); over != nil &&
				over.Kind() == types.ListKind {
				found = elementType(over)
			}
		}
	}))
	return found
}

func elementType(of *types.Type) *types.Type {
	if of == nil || len(of.Parameters()) == 0 {
		return nil
	}
	return of.Parameters()[len(of.Parameters())-1]
}

// explainOverload says what to write instead of an operation on types that do not fit.
func (c *compilation) explainOverload(e *cel.Error, called string, args []string) {
	name := called
	if symbol, ok := operatorNames[called]; ok {
		name = symbol
	}
	if message, text, at := c.explainMixture(e, name, args); message != "" {
		c.reportAt(at, text, message)
		return
	}
	message := fmt.Sprintf("%s does not take (%s)", name, strings.Join(args, ", "))
	at := e.Location
	switch {
	case name == "+" && slices.Contains(args, "string"):
		message += ": write string(…) around a value that is not a text"
	case name == "in" && args[0] == "Decimal":
		message += ": write dec(…) around each number of the list"
	case name == "?:":
		message += ": both results must be of one type"
	default:
		// CEL points at the bracket.
		at = common.NewLocation(at.Line(), max(at.Column()-len([]rune(name)), 0))
		if i := slices.IndexFunc(functions, func(f function) bool { return f.Name == name }); i >= 0 {
			message += ": it is used as " + functions[i].Use
		}
	}
	c.reportAt(at, name, message)
}

// explainMixture explains an operation on a decimal and a number or a string.
func (c *compilation) explainMixture(
	e *cel.Error, name string, args []string,
) (message, text string, at common.Location) {
	decimals := slices.ContainsFunc(args,
		func(t string) bool { return t == "Decimal" || t == "list(Decimal)" })
	call := c.callOf(e.ExprID)
	if !decimals || call == nil {
		return "", "", nil
	}
	operands := call.Args()
	if call.IsMemberFunction() {
		operands = append([]ast.Expr{call.Target()}, operands...)
	}
	if len(operands) != len(args) {
		return "", "", nil
	}
	for i, t := range args {
		if t != "int" && t != "double" && t != "uint" && t != "string" {
			continue
		}
		if t == "string" && name == "+" {
			continue // strings are being joined
		}
		if t == "int" && name == "round" {
			continue
		}
		operand := operands[i]
		text := c.expressionText(operand)
		write := fmt.Sprintf("dec(%s)", text)
		if operand.Kind() == ast.LiteralKind && t == "double" {
			write = fmt.Sprintf("dec('%s')", text)
		}
		return fmt.Sprintf(
				"a Decimal does not mix with %s %s: write %s",
				article(t),
				t,
				write,
			), text, c.location(
				operand,
			)
	}
	return "", "", nil
}

func article(typeName string) string {
	if typeName == "int" {
		return "an"
	}
	return "a"
}

func (c *compilation) callOf(id int64) ast.CallExpr {
	var found ast.CallExpr
	ast.PreOrderVisit(c.ast.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.ID() == id && e.Kind() == ast.CallKind {
			found = e.AsCall()
		}
	}))
	return found
}

// report adds a problem with e.
func (c *compilation) report(e ast.Expr, message string) {
	c.reportAt(c.location(e), c.expressionText(e), message)
}

func (c *compilation) reportAt(at common.Location, text, message string) {
	p := Problem{
		Line:    max(at.Line(), 1),
		Column:  max(at.Column(), 0) + 1,
		Text:    shorten(text),
		Message: message,
	}
	if !slices.Contains(c.problems, p) {
		c.problems = append(c.problems, p)
	}
}

// location returns the start of e. An operator starts at its first operand.
func (c *compilation) location(e ast.Expr) common.Location {
	start := c.ast.SourceInfo().GetStartLocation(e.ID())
	first := start
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(part ast.Expr) {
		at := c.ast.SourceInfo().GetStartLocation(part.ID())
		if at.Line() < 1 {
			return
		}
		if first.Line() < 1 || at.Line() < first.Line() ||
			at.Line() == first.Line() && at.Column() < first.Column() {
			first = at
		}
	}))
	return first
}

// expressionText returns e as it is written, or as it could be written.
func (c *compilation) expressionText(e ast.Expr) string {
	if e.Kind() == ast.LiteralKind {
		return c.literalText(e)
	}
	text, err := parser.Unparse(e, c.ast.SourceInfo())
	if err != nil {
		return c.wordAt(c.location(e))
	}
	return text
}

// literalText returns a literal as it is written.
func (c *compilation) literalText(e ast.Expr) string {
	return c.wordAt(c.location(e))
}

// wordAt returns the number, name, string or sign at a place of the source.
func (c *compilation) wordAt(at common.Location) string {
	i := c.offset(at)
	if i < 0 || i >= len(c.source) {
		return ""
	}
	wordy := func(r rune) bool {
		return r == '_' || r == '.' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' ||
			'A' <= r && r <= 'Z'
	}
	end := i + 1
	if quote := c.source[i]; quote == '\'' || quote == '"' {
		for end < len(c.source) && c.source[end] != quote {
			if c.source[end] == '\\' {
				end++
			}
			end++
		}
		return string(c.source[i:min(end+1, len(c.source))])
	}
	if wordy(c.source[i]) || c.source[i] == '-' {
		for end < len(c.source) && wordy(c.source[end]) {
			end++
		}
	}
	return string(c.source[i:end])
}

func (c *compilation) offset(at common.Location) int {
	line := 1
	for i := 0; i <= len(c.source); i++ {
		if line == at.Line() {
			return i + at.Column()
		}
		if i < len(c.source) && c.source[i] == '\n' {
			line++
		}
	}
	return -1
}

func shorten(text string) string {
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > maxProblemText {
		return string(runes[:maxProblemText-1]) + "…"
	}
	return string(runes)
}

func typeName(t *cel.Type) string { return t.String() }

// splitTypes splits "(Decimal, list(int))", or "Order.(string)" of a method, into types.
func splitTypes(signature string) []string {
	var out []string
	if target, rest, isMethod := strings.Cut(signature, ".("); isMethod {
		out = append(out, target)
		signature = "(" + rest
	}
	signature = strings.TrimSuffix(strings.TrimPrefix(signature, "("), ")")
	depth, start := 0, 0
	for i, r := range signature {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, strings.TrimSpace(signature[start:i]))
				start = i + 1
			}
		}
	}
	if last := strings.TrimSpace(signature[start:]); last != "" {
		out = append(out, last)
	}
	return out
}

// Suggestion returns ", did you mean …?" with the closest known name, or "" if none is close.
func Suggestion(name string, known []string) string {
	best, bestEdits := "", min(maxSuggestEdits, max((len(name)+1)/3, 1))+1
	for _, k := range known {
		if e := edits(strings.ToLower(name), strings.ToLower(k)); e < bestEdits {
			best, bestEdits = k, e
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %s?", best)
}

// SuggestionOr returns a [Suggestion], or "; there are …" with all known names if none is close.
func SuggestionOr(name string, known []string) string {
	if s := Suggestion(name, known); s != "" {
		return s
	}
	return "; there are " + strings.Join(known, ", ")
}

// edits returns the Levenshtein distance of two names.
func edits(a, b string) int {
	previous := make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := range len(a) {
		current := make([]int, len(b)+1)
		current[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			current[j+1] = min(previous[j+1]+1, current[j]+1, previous[j]+cost)
		}
		previous = current
	}
	return previous[len(b)]
}
