from django.apps import AppConfig


class HelpConfig(AppConfig):
    name = "auteur.help"
    label = "help"
