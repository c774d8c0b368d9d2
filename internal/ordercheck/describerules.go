package ordercheck

// Names of the workflow that describes the rules in force to processes without rule files.
const (
	// DescribeRulesType is a short workflow that answers [DescribedRules].
	DescribeRulesType = "DescribeRules"
	// ActivityDescribeRules answers [DescribedRules]; on [TaskQueue].
	ActivityDescribeRules = "DescribeRules"
)

// DescribeRulesWorkflowID is the id of the [DescribeRulesType] runs of a rule set.
func DescribeRulesWorkflowID(digest string) string { return "describe-rules-" + digest }

// DescribedRules lists the rules of the set in force, in the order of the file.
type DescribedRules struct {
	RuleSet RuleSet         `json:"ruleSet"`
	Rules   []DescribedRule `json:"rules"`
	// Omitted is the number of rules that Rules doesn't list.
	Omitted int `json:"omitted,omitempty"`
}

// Limits of [DescribedRules], which must fit one of Temporal's payloads.
const (
	MaxDescribedRules = 1000
	// MaxRuleDescription is in characters.
	MaxRuleDescription = 300
)

// DescribedRule describes one rule to people.
type DescribedRule struct {
	ID          string   `json:"id"`
	Description string   `json:"description"`
	Severity    Severity `json:"severity"`
	// Enabled is false for a rule that is switched off. Shadow is true for a rule on trial.
	Enabled bool `json:"enabled"`
	Shadow  bool `json:"shadow,omitempty"`
	// Terms are the rule's own terms; nil if it follows the company's settings.
	Terms *Terms `json:"terms,omitempty"`
}
