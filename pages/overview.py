"""Overview: the model, the data, what the runs show in sentences, and the layers with the strongest outliers."""

from morphoquant.ui.coverage import show_coverage
from morphoquant.ui.findings import show_findings
from morphoquant.ui.navigate import to_layer
from morphoquant.ui.overview import facts, figures
from morphoquant.ui.page import open_page
from morphoquant.ui.panel import panel

scene = open_page("Where are this model's outliers, and in which modality?", ("worst_layers", "tokens_by_modality"))
figures(scene)
show_findings(scene)
panel(scene, "worst_layers", on_click=to_layer("pages/distribution.py"))
panel(scene, "tokens_by_modality")
show_coverage(scene, link=True)
facts(scene)
