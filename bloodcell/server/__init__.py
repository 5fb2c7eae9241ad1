"""`bloodcell serve`: an engine for other programs, by the Open Inference Protocol v2.

A request comes in ``over_grpc`` or ``over_http`` (its body by ``bodies``), which know how it is
written, and both hand it as ``messages.InferRequest`` to ``service``. That admits it (``limits``),
takes its tensors apart (``tensors``, ``placed``, ``regions``) and asks one of two models: ``cells``
scores, ``patients`` counts.
``life`` begins and ends all of it.
"""
