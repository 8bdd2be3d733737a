"""What data there are, and how more come in: images, embeddings, labels for what has none."""

import streamlit as st

from ui.data import database_jobs, embed, import_table, installed, predict
from ui.jobs import panel
from ui.shell import header, settings
from ui.shell.controls import linked

_TASKS = {
    "embed": ("Embed images", embed.show),
    "import": ("Import embeddings", import_table.show),
    "label": ("Label new rows", predict.show),
    "here": ("Installed data", installed.show),
}

header.show(
    "Data",
    "Bring images, which a frozen model (the backbone) turns into embeddings, rows of numbers; or "
    "bring embeddings that you have.",
    "data",
)
folders = settings.folders()
task = linked(
    st.segmented_control,
    "What to do",
    key="task",
    options=list(_TASKS),
    default="embed",
    format_func=lambda name: _TASKS[name][0],
    required=True,
    label_visibility="collapsed",
)
in_the_making = st.container()
before = database_jobs.states(folders)
asked = None
try:
    asked = _TASKS[task][1](folders)
except OSError as error:
    panel.show_error(error)
except Exception as error:
    panel.show_internal_error(error, logged=False)
with in_the_making:
    database_jobs.watch(folders, before, asked)
