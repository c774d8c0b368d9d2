package ordercheck

// Names of the workflow that tells what the rules in force are, to processes without rule files.
const (
	// DescribeRulesType is a short workflow that answers [DescribedRules].
	DescribeRulesType = "DescribeRules"
	// ActivityDescribeRules answers [DescribedRules]; on [TaskQueue].
	ActivityDescribeRules = "DescribeRules"
)

// DescribeRulesWorkflowID is the id of the [DescribeRulesType] runs of a rule set.
func DescribeRulesWorkflowID(digest string) string { return "describe-rules-" + digest }

// DescribedRules are the rules of the set in force, in the order of the file.
type DescribedRules struct {
	RuleSet RuleSet         `json:"ruleSet"`
	Rules   []DescribedRule `json:"rules"`
	// Omitted is the number of rules that Rules doesn't list.
	Omitted int `json:"omitted,omitempty"`
}

// Bounds of [DescribedRules], which has to fit into one of Temporal's payloads.
const (
	MaxDescribedRules = 1000
	// MaxRuleDescription is in characters.
	MaxRuleDescription = 300
)

// DescribedRule is one rule, for people.
type DescribedRule struct {
	ID          string   `json:"id"`
	Description string   `json:"description"`
	Severity    Severity `json:"severity"`
	// Enabled is false for a rule that is switched off, and Shadow is true for one on trial.
	Enabled bool `json:"enabled"`
	Shadow  bool `json:"shadow,omitempty"`
	// Terms are the rule's own; nil if it follows the company's settings.
	Terms *Terms `json:"terms,omitempty"`
}
